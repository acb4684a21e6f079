import { execFileSync } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from './free-port.ts';
import { greet } from './greeting.ts';
import { onPath } from './on-path.ts';
import { noteMissing, noteServer } from './run-notes.ts';
import { type NotHere, type RunningService, startService } from './service.ts';

export interface NatsOptions {
  /** Streams on disk. Off: pub/sub only. */
  jetStream?: boolean;
}

/** Starts this machine's NATS server. */
export async function startNats({ jetStream = false }: NatsOptions = {}): Promise<RunningService | NotHere> {
  const command = onPath('nats-server');
  if (command === undefined) return noteMissing('NATS', 'there is no nats-server on this machine');
  const folder = mkdtempSync(join(tmpdir(), 'gapless-nats-'));
  const port = await freePort();
  const version = /v?([\d.]+\S*)\s*$/.exec(execFileSync(command, ['--version'], { encoding: 'utf8' }))?.[1] ?? 'unknown';
  noteServer({ name: 'NATS', version, from: command });
  return startService({
    url: `nats://127.0.0.1:${port}`,
    port,
    version,
    command,
    args: ['-a', '127.0.0.1', '-p', String(port), ...(jetStream ? ['-js', '-sd', folder] : [])],
    folder,
    stopSignal: 'SIGTERM',
    ask: () => greet(port, 'CONNECT {"verbose":false}\r\nPING\r\n', 'PONG'),
  });
}
