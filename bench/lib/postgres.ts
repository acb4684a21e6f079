import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, existsSync, globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { endWithUs } from './child.ts';
import { familyCpuSec } from './process-cpu.ts';

/** A Postgres of our own on a fresh folder, settings as initdb writes them: fsync and synchronous_commit on. */
export interface BenchPostgres {
  readonly url: string;
  readonly version: string;
  /** The server and its backends, those that run. */
  cpuSec(): number;
  stop(): Promise<void>;
}

interface Identity {
  readonly uid?: number;
  readonly gid?: number;
}

const POLL_MS = 50;
const START_MS = 30_000;

/** Starts the Postgres of this machine, or says why that cannot be. */
export async function startPostgres(): Promise<BenchPostgres | { readonly reason: string }> {
  const bin = findBinaries();
  if (bin === undefined) return { reason: 'no Postgres here: neither in PATH nor in /usr/lib/postgresql' };
  const identity = unprivileged();
  if (identity === undefined) return { reason: 'Postgres does not run as root, and there is no user postgres or nobody' };
  const folder = mkdtempSync(join(tmpdir(), 'gapless-bench-pg-'));
  if (identity.uid !== undefined) chownSync(folder, identity.uid, identity.gid!);
  const data = join(folder, 'data');
  const run = { ...identity, cwd: folder, env: { ...process.env, LC_ALL: 'C' } };
  execFileSync(join(bin, 'initdb'), ['-D', data, '-U', 'bench', '-A', 'trust', '-E', 'UTF8'], { ...run, stdio: 'ignore' });
  const port = await freePort();
  const server = spawn(join(bin, 'postgres'), ['-D', data, '-p', String(port), '-k', folder, '-h', '127.0.0.1'], {
    ...run,
    stdio: 'ignore',
  });
  const exited = once(server, 'exit');
  const stopWaiting = endWithUs(server, 'SIGQUIT');
  await ready(server, () => execFileSync(join(bin, 'pg_isready'), ['-h', '127.0.0.1', '-p', String(port)], { stdio: 'ignore' }));
  return {
    url: `postgres://bench@127.0.0.1:${port}/postgres`,
    version: execFileSync(join(bin, 'postgres'), ['--version'], { encoding: 'utf8' }).replace(/^\D*([\d.]+).*$/s, '$1'),
    cpuSec: () => familyCpuSec(server.pid!),
    async stop() {
      stopWaiting();
      // Fast shutdown: sessions are ended, nothing is waited for.
      server.kill('SIGINT');
      await exited;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function findBinaries(): string | undefined {
  const folders = [...globSync('/usr/lib/postgresql/*/bin').toSorted().reverse(), ...(process.env.PATH ?? '').split(':')];
  return folders.find((folder) => ['initdb', 'postgres', 'pg_isready'].every((name) => existsSync(join(folder, name))));
}

/** Whom to run it as: ourselves, or for root somebody else. */
function unprivileged(): Identity | undefined {
  if (process.getuid?.() !== 0) return {};
  const users = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => line.split(':'));
  const user = users.find(([name]) => name === 'postgres') ?? users.find(([name]) => name === 'nobody');
  return user === undefined ? undefined : { uid: Number(user[2]), gid: Number(user[3]) };
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}

async function ready(server: ChildProcess, ask: () => void): Promise<void> {
  const until = performance.now() + START_MS;
  for (;;) {
    try {
      return ask();
    } catch (error) {
      if (server.exitCode !== null || performance.now() > until) throw error;
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }
}
