import { execFileSync } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from './free-port.ts';
import { greet } from './greeting.ts';
import { programOf } from './on-path.ts';
import { type NotHere, type RunningService, startService } from './service.ts';

export interface NatsOptions {
  /** Streams on disk. Off: pub/sub only. */
  jetStream?: boolean;
}

export function findNats(): { command: string } | NotHere {
  return programOf('nats-server', 'nats-server');
}

/** Starts this machine's NATS server. */
export async function startNats({ jetStream = false }: NatsOptions = {}): Promise<RunningService | NotHere> {
  const found = findNats();
  if ('reason' in found) return found;
  const { command } = found;
  const folder = mkdtempSync(join(tmpdir(), 'gapless-nats-'));
  const port = await freePort();
  return startService({
    url: `nats://127.0.0.1:${port}`,
    port,
    version: /v?([\d.]+\S*)\s*$/.exec(execFileSync(command, ['--version'], { encoding: 'utf8' }))?.[1] ?? 'unknown',
    from: command,
    command,
    args: ['-a', '127.0.0.1', '-p', String(port), ...(jetStream ? ['-js', '-sd', folder] : [])],
    folder,
    stopSignal: 'SIGTERM',
    ask: () => greet(port, 'CONNECT {"verbose":false}\r\nPING\r\n', 'PONG'),
  });
}
