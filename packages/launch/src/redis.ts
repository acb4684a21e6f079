import { execFileSync } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from './free-port.ts';
import { greet } from './greeting.ts';
import { programOf } from './on-path.ts';
import { type NotHere, type RunningService, startService } from './service.ts';

export interface RedisOptions {
  /** As in redis.conf, by name. Without `save` or `appendonly` nothing is written to disk: what it held is gone after `stop`. */
  settings?: Readonly<Record<string, string>>;
}

export function findRedis(): { command: string } | NotHere {
  return programOf('redis-server', 'redis-server');
}

/** Starts this machine's Redis. */
export async function startRedis({ settings = {} }: RedisOptions = {}): Promise<RunningService | NotHere> {
  const found = findRedis();
  if ('reason' in found) return found;
  const { command } = found;
  const folder = mkdtempSync(join(tmpdir(), 'gapless-redis-'));
  const port = await freePort();
  const all = { port: String(port), bind: '127.0.0.1', dir: folder, save: '', appendonly: 'no', ...settings };
  return startService({
    url: `redis://127.0.0.1:${port}`,
    port,
    version: /v=([\d.]+)/.exec(execFileSync(command, ['--version'], { encoding: 'utf8' }))?.[1] ?? 'unknown',
    from: command,
    command,
    args: Object.entries(all).flatMap(([name, value]) => [`--${name}`, value]),
    folder,
    stopSignal: 'SIGTERM',
    ask: () => greet(port, 'PING\r\n', '+PONG'),
  });
}

/** Carries out one command of Redis and waits for this answer, as in `tellRedis(port, 'FLUSHALL', '+OK')`. */
export function tellRedis(port: number, command: string, wanted: string): Promise<void> {
  return greet(port, `${command}\r\n`, wanted);
}
