import { execFileSync } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from './free-port.ts';
import { greet } from './greeting.ts';
import { onPath } from './on-path.ts';
import { noteMissing, noteServer } from './run-notes.ts';
import { type NotHere, type RunningService, startService } from './service.ts';

export interface RedisOptions {
  /** As in redis.conf, by name. Without `save` or `appendonly` nothing is written to disk: what it held is gone after `stop`. */
  settings?: Readonly<Record<string, string>>;
}

/** Starts this machine's Redis. */
export async function startRedis({ settings = {} }: RedisOptions = {}): Promise<RunningService | NotHere> {
  const command = onPath('redis-server');
  if (command === undefined) return noteMissing('Redis', 'there is no redis-server on this machine');
  const folder = mkdtempSync(join(tmpdir(), 'gapless-redis-'));
  const port = await freePort();
  const version = /v=([\d.]+)/.exec(execFileSync(command, ['--version'], { encoding: 'utf8' }))?.[1] ?? 'unknown';
  noteServer({ name: 'Redis', version, from: command });
  const all = { port: String(port), bind: '127.0.0.1', dir: folder, save: '', appendonly: 'no', ...settings };
  return startService({
    url: `redis://127.0.0.1:${port}`,
    port,
    version,
    command,
    args: Object.entries(all).flatMap(([name, value]) => [`--${name}`, value]),
    folder,
    stopSignal: 'SIGTERM',
    ask: () => greet(port, 'PING\r\n', '+PONG'),
  });
}
