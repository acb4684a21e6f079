import type { AcceptLog } from '@gapless/core';
import { type RedisOptions, type RunningService, startProxy, startRedis } from '@gapless/testkit';
import { createClient } from '@redis/client';
import { onTestFinished, type TestContext } from 'vitest';
import { openRedisAcceptLog, type RedisAcceptOptions } from './index.ts';

// Each story has a Redis of its own, and a log that reaches it through a wire that can be cut.

export interface Story {
  readonly redis: RunningService;
  readonly log: AcceptLog;
  readonly errors: readonly unknown[];
  /** Resolves when the next connection is made. */
  restored(): Promise<void>;
  cut(): void;
  mend(): void;
  /** From here on the wire leads there. */
  lead(to: RunningService): void;
}

export async function startStory(ctx: TestContext, options: RedisOptions & { log?: Partial<RedisAcceptOptions> } = {}): Promise<Story> {
  const redis = await startOrSkip(ctx, options);
  let { port } = redis;
  const wire = await startProxy(() => port);
  onTestFinished(() => wire.close());
  const errors: unknown[] = [];
  const log = await openRedisAcceptLog({
    url: `redis://127.0.0.1:${wire.port}`,
    shards: 2,
    onError: (error) => errors.push(error),
    ...options.log,
  });
  onTestFinished(() => log.end());
  return {
    redis,
    log,
    errors,
    restored: () => new Promise<void>((resolve) => void log.watch(resolve)),
    cut: () => wire.cut(),
    mend: () => wire.restore(),
    lead: (to) => void ({ port } = to),
  };
}

export async function startOrSkip(ctx: TestContext, options: RedisOptions = {}): Promise<RunningService> {
  // A replica need not wait for others that may come.
  const redis = await startRedis({ settings: { 'repl-diskless-sync-delay': '0', ...options.settings } });
  if ('reason' in redis) return ctx.skip(redis.reason);
  onTestFinished(() => redis.remove());
  return redis;
}

/** Says something to the server by the side. */
export async function tell({ url }: RunningService, ...command: string[]): Promise<unknown> {
  const client = createClient({ url, RESP: 2, maintNotifications: 'disabled' });
  client.on('error', () => {});
  await client.connect();
  try {
    return await client.sendCommand(command);
  } finally {
    client.destroy();
  }
}

/** Makes it the replica of another one, and waits until it has everything. */
export async function follow(replica: RunningService, primary: RunningService): Promise<void> {
  await tell(replica, 'REPLICAOF', '127.0.0.1', `${primary.port}`);
  const isLinked = async () => String(await tell(replica, 'INFO', 'replication')).includes('master_link_status:up');
  while (!(await isLinked())) await new Promise((resolve) => setTimeout(resolve, 10));
  // What was written until now has arrived when this has.
  await tell(primary, 'SET', 'mark', `${replica.port}`);
  while ((await tell(replica, 'GET', 'mark')) !== `${replica.port}`) await new Promise((resolve) => setTimeout(resolve, 10));
}
