import { constants } from 'node:os';
import { pino } from 'pino';
import { type Config, withoutPassword } from '../settings.ts';
import { VERSION } from '../version.ts';
import { type Running, startServer } from '../wire.ts';

/** Beyond the drain, the process ends finished or not: a supervisor would kill it anyway. */
const SHUTDOWN_MAX_MS = 30_000;

/** A terminal's Ctrl+C reaches every process of the group, and may be handed on to us once more: that is not a second one. */
const SECOND_INTERRUPT_MS = 500;

/** EX_IOERR of sysexits.h: the disk failed. A restart recovers from what is durable. */
const EXIT_STORE_FAILED = 74;

export async function serve(config: Config): Promise<void> {
  const started = performance.now();
  const log = pino({
    level: config.logLevel,
    base: null,
    serializers: { err: errorOf },
    redact: ['req.headers.authorization', '*.jwt', '*.token', '*.password'],
  });
  const running = await startServer(config, log, (error) => {
    log.fatal({ err: error }, 'the store failed; the process ends so that nothing is written past a failed fsync');
    setTimeout(() => process.exit(EXIT_STORE_FAILED), 200);
  });
  const stop = (signal: NodeJS.Signals) => {
    log.info({ signal }, 'draining');
    setTimeout(() => process.exit(1), config.drainSpreadMs + SHUTDOWN_MAX_MS).unref();
    running.close().then(
      () => process.exit(0),
      (error: unknown) => {
        log.error({ err: error }, 'shutdown failed');
        process.exit(1);
      },
    );
  };
  process.once('SIGTERM', stop);
  // Started through npm, and npm was killed: the port and the data folder must not stay taken by a server that nobody knows of.
  if (process.channel !== undefined) process.once('disconnect', () => process.exit(1));
  process.once('SIGINT', (signal) => {
    stop(signal);
    // A second Ctrl+C does not wait.
    const at = Date.now();
    process.on('SIGINT', () => {
      if (Date.now() - at > SECOND_INTERRUPT_MS) process.exit(128 + constants.signals.SIGINT);
    });
  });
  // Last: who reads it may send a signal at once.
  banner(running, config, performance.now() - started);
}

function banner(running: Running, config: Config, ms: number): void {
  const lines = [
    `Gapless ${VERSION}`,
    `  Chat    ${running.url}`,
    `  Data    ${dataOf(running, config)}`,
    ...(config.broker === 'memory' ? [] : [`  Node    ${running.node} over ${withoutPassword(config.broker)}`]),
  ];
  if (running.secretFile !== undefined) lines.push(`  Secret  ${running.secretFile}${running.secretMade ? ' (made now, mode 0600)' : ''}`);
  console.log(`${lines.join('\n')}\nReady in ${Math.round(ms)} ms. Ctrl+C stops.`);
}

function dataOf({ dataDir }: Running, { store }: Config): string {
  if (store === 'memory') return 'in memory: gone when the server stops';
  return store === 'sqlite' ? dataDir : withoutPassword(store);
}

/** What is logged of an error: not the fields that client libraries add, which may hold a URL with its password. */
function errorOf(error: unknown): object {
  const { type, message, stack, code } = pino.stdSerializers.err(error as Error) as unknown as Record<string, unknown>;
  return {
    type,
    message: withoutPassword(String(message)),
    stack: withoutPassword(String(stack)),
    ...(code === undefined ? {} : { code }),
  };
}
