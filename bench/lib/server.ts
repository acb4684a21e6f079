import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SignJWT } from 'jose';

const SECRET = 'benchmark-secret-benchmark-secret-benchmark';
const MAIN = join(import.meta.dirname, '../../apps/server/src/main.ts');
const TICKS_PER_SEC = 100;

export interface BenchServer {
  readonly url: string;
  readonly port: number;
  readonly dataDir: string;
  token(user: string, role?: 'user' | 'admin'): Promise<string>;
  /** CPU seconds of the process so far, its threads included. */
  cpuSec(): number;
  rssBytes(): number;
  stop(): Promise<void>;
}

/** A real server in a process of its own, on a fresh data folder (or a given one), rate limits off. */
export async function startServer(options: { dataDir?: string; env?: Record<string, string> } = {}): Promise<BenchServer> {
  const dataDir = options.dataDir ?? mkdtempSync(join(tmpdir(), 'gapless-bench-'));
  const child = spawn(process.execPath, [MAIN, 'serve', '--port', '0', '--data-dir', dataDir], {
    env: {
      ...process.env,
      GAPLESS_JWT_SECRET: SECRET,
      GAPLESS_RATE_LIMITS: 'off',
      GAPLESS_LOG_LEVEL: 'warn',
      GAPLESS_DRAIN_SPREAD_MS: '0',
      ...options.env,
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const url = await urlOf(child);
  const key = new TextEncoder().encode(SECRET);
  return {
    url,
    port: Number(new URL(url).port),
    dataDir,
    token: (user, role = 'user') =>
      new SignJWT({ role }).setProtectedHeader({ alg: 'HS256' }).setSubject(user).setIssuedAt().setExpirationTime('2h').sign(key),
    cpuSec() {
      const fields = readFileSync(`/proc/${child.pid}/stat`, 'utf8').split(') ')[1]!.split(' ');
      return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SEC;
    },
    rssBytes: () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))![1]) * 1024,
    async stop() {
      const exited = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGTERM');
      await exited;
      if (options.dataDir === undefined) rmSync(dataDir, { recursive: true, force: true });
    },
  };
}

function urlOf(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    child.stdout!.on('data', (chunk: Buffer) => {
      text += chunk;
      const match = /Chat\s+(http:\S+)/.exec(text);
      if (match !== null && text.includes('Ready')) resolve(match[1]!);
    });
    child.once('exit', (code) => reject(new Error(`the server ended with ${code}: ${text}`)));
  });
}
