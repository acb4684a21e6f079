import type { Command, Store } from '@gapless/core';
import { startPostgres } from '@gapless/testkit';
import { expect, test } from 'vitest';
import { openPostgresStore } from './index.ts';
import { openNode, query, SERVERS, serverOf } from './server.test-util.ts';

// Goal: while the server is away everything is refused, afterwards the store works by itself, and nothing that was acked is gone.

const send = (mid: string, cid = 'c1'): Command => {
  return { op: 'send', cid, mid, from: 'ann', at: 1, kind: 'text', body: '{}', digest: mid };
};
const GROUP: Command = {
  op: 'create',
  cid: 'c1',
  kind: 'group',
  by: 'ann',
  at: 1,
  participants: [{ uid: 'ann', role: 'owner' }],
  createUsers: true,
};
const UNAVAILABLE = { code: 'store_unavailable' };

/** Asks again until it goes through. */
async function untilWorks<T>(ask: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      expect(error).toMatchObject(UNAVAILABLE);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

/** Sends batch after batch, each again until it is acked, as clients do. */
class Sender {
  readonly acked = new Map<string, number>();
  refused = 0;
  readonly #store: Store;
  readonly #name: string;

  constructor(store: Store, name: string) {
    this.#store = store;
    this.#name = name;
  }

  async run(until: () => boolean): Promise<void> {
    for (let round = 0; !until(); round++) {
      const mids = Array.from({ length: 1 + (round % 9) }, (_, i) => `${this.#name} ${round} ${i}`);
      const outcomes = await untilWorks(() =>
        this.#store.commit(mids.map((mid) => send(mid))).catch((error: unknown) => {
          this.refused++;
          throw error;
        }),
      );
      for (const [i, outcome] of outcomes.entries()) {
        expect(outcome).toMatchObject({ ok: true });
        if (outcome.ok && outcome.op === 'send') this.acked.set(mids[i]!, outcome.seq);
      }
    }
  }
}

for (const which of SERVERS) {
  const server = await serverOf(which);

  test(`PostgreSQL of ${which} killed under load and started again, twice: nothing acked is lost, nothing is there twice`, async (ctx) => {
    if ('reason' in server) return ctx.skip(server.reason);
    const url = await server.createDatabase();
    const nodes = [await openNode(url), await openNode(url)];
    await nodes[0]!.commit([GROUP]);
    const senders = nodes.map((node, i) => new Sender(node, `n${i}`));
    const total = () => senders.reduce((sum, { acked }) => sum + acked.size, 0);
    let over = false;
    const running = senders.map((sender) => sender.run(() => over));
    for (const kill of [1, 2]) {
      const before = total();
      while (total() < before + 200) await new Promise((resolve) => setTimeout(resolve, 5));
      await server.kill();
      const refused = senders.map((sender) => sender.refused);
      // The next try of each fails: it is refused, not kept.
      while (senders.some((sender, i) => sender.refused <= refused[i]! + kill)) await new Promise((resolve) => setTimeout(resolve, 5));
      await server.start();
    }
    const before = total();
    while (total() < before + 200) await new Promise((resolve) => setTimeout(resolve, 5));
    over = true;
    await Promise.all(running);
    const messages = await untilWorks(() => nodes[0]!.messages('c1', { after: 0, limit: 1_000_000 }));
    expect(messages.map(({ seq }) => seq)).toEqual(messages.map((_, i) => i + 1));
    expect(new Set(messages.map(({ mid }) => mid)).size).toBe(messages.length);
    for (const sender of senders) for (const [mid, seq] of sender.acked) expect(messages[seq - 1]!.mid).toBe(mid);
    expect(await untilWorks(() => nodes[1]!.changes('c1', { after: 0, limit: 1_000_000 }))).toHaveLength(messages.length);
    await Promise.all(nodes.map((node) => node.close()));
  });
}

const server = await serverOf();

test('while the server is down every method is refused, it is told once, and all work again when it is back', async (ctx) => {
  if ('reason' in server) return ctx.skip(server.reason);
  const errors: unknown[] = [];
  const store = await openPostgresStore({ url: await server.createDatabase(), onError: (error) => errors.push(error) });
  await store.commit([GROUP]);
  await store.messages('c1', { limit: 1 });
  await server.stop();
  const asks: (() => Promise<unknown>)[] = [
    () => store.commit([send('m1')]),
    () => store.check(),
    () => store.messages('c1', { limit: 1 }),
    () => store.ensureUser({ uid: 'bob', at: 1 }),
    () => store.feed(0, { after: 0, limit: 1 }),
    () => store.acquireLease('l1', 'n1', 1_000),
  ];
  for (const ask of [...asks, ...asks]) await expect(ask()).rejects.toMatchObject(UNAVAILABLE);
  // Once by the connections that commit, once by those that read.
  expect(errors).toHaveLength(2);
  await server.start();
  for (const ask of asks) await untilWorks<unknown>(ask);
  expect(errors).toHaveLength(2);
  await store.close();
});

test('a server that does not answer is given up, and used again when it does', async (ctx) => {
  if ('reason' in server) return ctx.skip(server.reason);
  const store = await openNode(await server.createDatabase());
  await store.commit([GROUP]);
  await store.messages('c1', { limit: 1 });
  server.pause();
  try {
    const asks = [store.commit([send('m1')]), store.check(), store.messages('c1', { limit: 1 }), store.revs(['c1'])];
    for (const answer of await Promise.allSettled(asks)) expect(answer).toMatchObject({ status: 'rejected', reason: UNAVAILABLE });
  } finally {
    server.resume();
  }
  // The first one may have been saved after all.
  const [again] = await untilWorks(() => store.commit([send('m1')]));
  expect(again).toMatchObject({ ok: true, seq: 1 });
  await store.close();
});

test('connections that somebody ends are replaced', async (ctx) => {
  if ('reason' in server) return ctx.skip(server.reason);
  const url = await server.createDatabase();
  const store = await openNode(url);
  await store.commit([GROUP]);
  for (let i = 1; i <= 5; i++) {
    await query(
      url,
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'gapless' AND datname = current_database()`,
    );
    const [outcome] = await untilWorks(() => store.commit([send(`m${i}`)]));
    expect(outcome).toMatchObject({ ok: true, seq: i });
    expect(await untilWorks(() => store.messages('c1', { limit: 100 }))).toHaveLength(i);
  }
  await store.close();
});

test('a statement that waits too long for a lock is given up and leaves nothing', async (ctx) => {
  if ('reason' in server) return ctx.skip(server.reason);
  const url = await server.createDatabase();
  const [store, other] = [await openNode(url), await openNode(url)];
  await store.commit([GROUP]);
  const holding = query(url, `BEGIN; SELECT 1 FROM conversation FOR UPDATE; SELECT pg_sleep(6); COMMIT`);
  while ((await query(url, `SELECT 1 FROM pg_stat_activity WHERE query LIKE 'BEGIN%pg_sleep%' AND wait_event = 'PgSleep'`)).length === 0);
  await expect(store.commit([send('m1')])).rejects.toMatchObject(UNAVAILABLE);
  expect(await other.messages('c1', { limit: 10 })).toEqual([]);
  await holding;
  expect(await store.commit([send('m2')])).toMatchObject([{ ok: true, seq: 1 }]);
  await Promise.all([store.close(), other.close()]);
});

test('a server that becomes read-only is left for the one of its url that takes writes', async (ctx) => {
  if ('reason' in server) return ctx.skip(server.reason);
  const standby = await startPostgres({ settings: { default_transaction_read_only: 'on' } });
  if ('reason' in standby) return ctx.skip(standby.reason);
  ctx.onTestFinished(() => standby.remove());
  // A database that both have.
  const url = new URL(server.url);
  const both = `${url.href.replace(url.host, `127.0.0.1:1,127.0.0.1:${standby.port},${url.host}`)}?target_session_attrs=read-write`;
  const store = await openNode(both);
  await store.commit([GROUP]);
  await query(server.url, 'ALTER SYSTEM SET default_transaction_read_only = on');
  await query(server.url, 'SELECT pg_reload_conf()');
  let refusals = 0;
  while (refusals < 3) {
    await store.check().catch((error: unknown) => {
      expect(error).toMatchObject(UNAVAILABLE);
      refusals++;
    });
  }
  await query(server.url, 'ALTER SYSTEM RESET default_transaction_read_only');
  await query(server.url, 'SELECT pg_reload_conf()');
  await untilWorks(() => store.check());
  expect(await untilWorks(() => store.commit([send('m1')]))).toMatchObject([{ ok: true, seq: 1 }]);
  await store.close();
});
