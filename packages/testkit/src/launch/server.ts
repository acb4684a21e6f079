import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { endWithUs, familyCpuSec } from '@gapless/launch';
import { SignJWT } from 'jose';

export const TEST_SECRET = 'a-secret-for-tests-only-a-secret-for-tests-only';
const MAIN = join(import.meta.dirname, '../../../../apps/server/src/main.ts');

export interface LaunchOptions {
  /** Kept after `stop`; a temporary one, removed at the end, when absent. */
  dataDir?: string;
  port?: number;
  env?: Readonly<Record<string, string>>;
}

/** A real server in a process of its own. It ends with this process. */
export interface LaunchedServer {
  readonly url: string;
  readonly port: number;
  readonly dataDir: string;
  readonly pid: number;
  /** Everything it wrote so far. */
  output(): string;
  /** A token as the app's backend would make it. */
  token(user: string, options?: TokenOptions): Promise<string>;
  /** CPU seconds so far, threads included. */
  cpuSec(): number;
  rssBytes(): number;
  /** SIGKILL; resolves when it is gone. */
  kill(): Promise<void>;
  /** SIGTERM; resolves to the exit status. */
  stop(): Promise<number | null>;
  readonly exited: Promise<number | null>;
}

export interface TokenOptions {
  role?: 'user' | 'admin';
  /** Seconds from now; negative: it has expired. */
  lifeSec?: number;
  sid?: string;
  name?: string;
}

export function signToken(user: string, { role, lifeSec = 7_200, sid, name }: TokenOptions = {}): Promise<string> {
  const now = Math.floor(Date.now() / 1_000);
  const claims = {
    ...(role === undefined ? {} : { role }),
    ...(sid === undefined ? {} : { sid }),
    ...(name === undefined ? {} : { name }),
  };
  return new SignJWT(claims)
    .setProtectedHeader({ alg: 'HS256' })
    .setSubject(user)
    .setIssuedAt(Math.min(now, now + lifeSec) - 1)
    .setExpirationTime(now + lifeSec)
    .sign(new TextEncoder().encode(TEST_SECRET));
}

/** Resolves when the server says that it is ready. Rate limits are off unless `env` sets them. */
export async function launchServer(options: LaunchOptions = {}): Promise<LaunchedServer> {
  const dataDir = options.dataDir ?? mkdtempSync(join(tmpdir(), 'gapless-'));
  const env = { GAPLESS_JWT_SECRET: TEST_SECRET, GAPLESS_RATE_LIMITS: 'off', GAPLESS_LOG_LEVEL: 'warn', GAPLESS_DRAIN_SPREAD_MS: '0' };
  const child = spawn(process.execPath, [MAIN, 'serve', '--port', String(options.port ?? 0), '--data-dir', dataDir], {
    env: { ...process.env, ...env, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  endWithUs(child, options.dataDir === undefined ? dataDir : undefined);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk));
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve));
  const cleanUp = () => {
    if (options.dataDir === undefined) rmSync(dataDir, { recursive: true, force: true });
  };
  const url = await readiness(child, () => output);
  return {
    url,
    port: Number(new URL(url).port),
    dataDir,
    pid: child.pid!,
    output: () => output,
    token: signToken,
    cpuSec: () => familyCpuSec(child.pid!),
    rssBytes: () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))![1]) * 1_024,
    async kill() {
      child.kill('SIGKILL');
      await exited;
      cleanUp();
    },
    async stop() {
      child.kill('SIGTERM');
      const status = await exited;
      cleanUp();
      return status;
    },
    exited,
  };
}

function readiness(child: ChildProcess, output: () => string): Promise<string> {
  return new Promise((resolve, reject) => {
    child.stdout!.on('data', () => {
      const match = /Chat\s+(http:\S+)/.exec(output());
      if (match !== null && output().includes('Ready in')) resolve(match[1]!);
    });
    child.once('exit', (code) => reject(new Error(`the server ended with ${code}:\n${output()}`)));
  });
}
