import type { NotHere, PostgresOptions, RunningPostgres, RunningService } from '@gapless/launch';
import * as launch from '@gapless/launch';
import { knownMissing, noteMissing, noteServer } from './run-notes.ts';

// The launchers as tests use them: the end of the run tells what there was, and what is missing is looked for once in a run.

export const startRedis = noted('Redis', launch.startRedis);
export const startNats = noted('NATS', launch.startNats);
export const startKafka = noted('Kafka', launch.startKafka);

const KINDS = {
  npm: noted('PostgreSQL of npm', (options: PostgresOptions = {}) => launch.startPostgres({ ...options, which: 'npm' })),
  debian: noted('PostgreSQL of Debian', (options: PostgresOptions = {}) => launch.startPostgres({ ...options, which: 'debian' })),
};

/** Without `which`: npm's, else Debian's. */
export async function startPostgres(options: PostgresOptions = {}): Promise<RunningPostgres | NotHere> {
  if (options.which !== undefined) return KINDS[options.which](options);
  const first = await KINDS.npm(options);
  if (!('reason' in first)) return first;
  const second = await KINDS.debian(options);
  return 'reason' in second ? { reason: `${first.reason}; ${second.reason}` } : second;
}

function noted<S extends RunningService, A extends unknown[]>(
  name: string,
  start: (...args: A) => Promise<S | NotHere>,
): (...args: A) => Promise<S | NotHere> {
  return async (...args) => {
    const known = knownMissing(name);
    if (known !== undefined) return known;
    const service = await start(...args);
    if ('reason' in service) return noteMissing(name, service.reason);
    noteServer({ name, version: service.version, from: service.from });
    return service;
  };
}
