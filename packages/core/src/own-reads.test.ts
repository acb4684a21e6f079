import { openMemoryStore } from '@gapless/adapters/store/memory';
import { FakeClock, settled } from '@gapless/testkit';
import { expect, test } from 'vitest';
import { type Committed, committedEntry } from './events.ts';
import { OwnReads, type OwnReadsLimits } from './own-reads.ts';
import type { Command, Store } from './ports/store.ts';
import { Writer } from './writer.ts';

// Goal: to everyone who reads through it the store is one in which each send moves its sender's position; the writing costs one command
// for many sends; nothing is lost. Method: the real writer over the memory store, whose own positions are looked at beside.

const MERGE_MS = 100;

async function start({ limits = {}, under = openMemoryStore() }: { limits?: Partial<OwnReadsLimits>; under?: Store } = {}) {
  const clock = new FakeClock();
  const committed: Committed[] = [];
  const errors: unknown[] = [];
  let healed = 0;
  const batches: (readonly Command[])[] = [];
  const watched: Store = {
    ...under,
    commit(batch) {
      batches.push(batch);
      return under.commit(batch);
    },
  };
  const ownReads: OwnReads = new OwnReads({
    store: watched,
    clock,
    append: (command) => writer.append(command),
    onError: (error) => errors.push(error),
    onHealed: () => healed++,
    limits: { mergeMs: MERGE_MS, ...limits },
  });
  const { store } = ownReads;
  const writer = new Writer({ store, clock, onCommitted: (batch) => committed.push(batch) });
  if ((await under.conversation('c')) === undefined) await under.commit([GROUP]);
  const reads = () => batches.flat().filter(({ op }) => op === 'read');
  const lastRead = async (uid: string, of: Store = store) => (await of.heads(uid, ['c']))[0]?.lastRead;
  return { clock, under, watched, ownReads, store, writer, committed, errors, batches, reads, lastRead, healed: () => healed };
}

const GROUP: Command = {
  op: 'create',
  cid: 'c',
  kind: 'group',
  by: 'ann',
  at: 1,
  participants: ['ann', 'bob'].map((uid) => ({ uid, role: 'member' })),
  createUsers: true,
};

let mids = 0;
function send(from = 'ann', more: Partial<Command & { op: 'send' }> = {}): Command & { op: 'send' } {
  const mid = `m${++mids}`;
  return { op: 'send', cid: 'c', mid, from, at: 1, kind: 'text', body: '{}', digest: mid, ...more };
}
const read = (uid: string, pos: number): Command => ({ op: 'read', cid: 'c', uid, pos });

test('right after a send every read shows the sender’s position, and nothing of it is written yet', async () => {
  const { writer, store, under, lastRead } = await start();
  await writer.append(send('bob'));
  await writer.append(send('ann'));
  expect(await lastRead('ann')).toBe(2);
  expect((await store.conversationView('bob', 'c'))?.lastRead).toBe(1);
  expect((await store.conversationsOf('ann', { limit: 9 })).map((view) => view.lastRead)).toEqual([2]);
  expect((await store.participants('c')).map(({ uid, lastRead: at }) => [uid, at])).toEqual([
    ['ann', 2],
    ['bob', 1],
  ]);
  expect(await store.positions('c')).toEqual([
    { uid: 'bob', lastRead: 1, delivered: 0 },
    { uid: 'ann', lastRead: 2, delivered: 0 },
  ]);
  expect(await under.positions('c')).toEqual([]);
});

test('many sends are one command for each sender, and nobody is told of a read', async () => {
  const { writer, clock, under, lastRead, reads, committed } = await start();
  for (let i = 0; i < 20; i++) await writer.append(send(i % 2 === 0 ? 'ann' : 'bob'));
  await clock.advance(MERGE_MS);
  expect(reads()).toEqual([read('ann', 19), read('bob', 20)]);
  expect([await lastRead('ann', under), await lastRead('bob', under)]).toEqual([19, 20]);
  expect(committed.flatMap(({ receipts }) => receipts)).toEqual([]);
  await clock.advance(60_000);
  expect(reads()).toHaveLength(2);
});

test('what a client reads is told when it goes beyond its own messages, and only then', async () => {
  const { writer, committed } = await start();
  await writer.append(send('bob'));
  await writer.append(send('ann'));
  await writer.append(send('bob'));
  const outcomes = [await writer.append(read('ann', 1)), await writer.append(read('ann', 2)), await writer.append(read('ann', 9))];
  expect(outcomes).toEqual([
    { ok: true, op: 'read', pos: 2, advanced: false },
    { ok: true, op: 'read', pos: 2, advanced: false },
    { ok: true, op: 'read', pos: 3, advanced: true },
  ]);
  expect(committed.flatMap(({ receipts }) => receipts)).toEqual([{ op: 'read', cid: 'c', uid: 'ann', pos: 3 }]);
});

test('in one batch, a read after a send sees what the send did, and a removed one starts anew', async () => {
  const { store } = await start();
  const add: Command = { op: 'add', cid: 'c', by: 'ann', at: 1, users: ['bob'], role: 'member', createUsers: false };
  const outcomes = await store.commit([
    send('bob'),
    read('bob', 1),
    { op: 'remove', cid: 'c', by: 'ann', at: 1, uid: 'bob' },
    add,
    read('bob', 1),
  ]);
  expect(outcomes[1]).toEqual({ ok: true, op: 'read', pos: 1, advanced: false });
  expect(outcomes[4]).toEqual({ ok: true, op: 'read', pos: 1, advanced: true });
});

test('a change of participants that is heard of late takes nothing away of what was written since', async () => {
  const { writer, ownReads, clock, under, lastRead } = await start();
  await writer.append({ op: 'remove', cid: 'c', by: 'ann', at: 1, uid: 'bob' });
  const added = await writer.append({ op: 'add', cid: 'c', by: 'ann', at: 1, users: ['bob'], role: 'member', createUsers: false });
  await writer.append(send('bob'));
  const { entry } = added as { entry: Parameters<typeof committedEntry>[0] };
  ownReads.heard({ entries: [committedEntry(entry)], receipts: [], revs: [] });
  expect(await lastRead('bob')).toBe(1);
  await clock.advance(MERGE_MS);
  expect(await lastRead('bob', under)).toBe(1);
});

test('who is removed before the position is written comes back without one', async () => {
  const { writer, clock, reads, lastRead } = await start();
  await writer.append(send('bob'));
  await writer.append({ op: 'remove', cid: 'c', by: 'ann', at: 1, uid: 'bob' });
  await writer.append({ op: 'add', cid: 'c', by: 'ann', at: 1, users: ['bob'], role: 'member', createUsers: false });
  await clock.advance(MERGE_MS);
  expect(reads()).toEqual([]);
  expect(await lastRead('bob')).toBe(0);
});

test('a read of the store that began before the position was written, and ends after it, does not go back', async () => {
  const memory = openMemoryStore();
  const held = Promise.withResolvers<void>();
  let hold = false;
  const slow: Store = {
    ...memory,
    async heads(...args) {
      const rows = await memory.heads(...args);
      if (hold) await held.promise;
      return rows;
    },
  };
  const { writer, clock, lastRead, reads } = await start({ under: slow });
  await writer.append(send());
  hold = true;
  const found = lastRead('ann');
  await settled();
  await clock.advance(MERGE_MS);
  expect(reads()).toHaveLength(1);
  held.resolve();
  expect(await found).toBe(1);
});

test('with ensureMembers the store does it, and nothing is noted', async () => {
  const { writer, clock, under, reads, lastRead } = await start();
  await writer.append(send('ann', { ensureMembers: true }));
  expect(await lastRead('ann', under)).toBe(1);
  await clock.advance(60_000);
  expect(reads()).toEqual([]);
  // Unless another one saved it before, who may not have written the position.
  const again = send('bob');
  await under.commit([again]);
  await writer.append({ ...again, ensureMembers: true });
  expect(await lastRead('bob')).toBe(2);
});

test('beyond the bound a send moves its own position, until the others are written', async () => {
  const { writer, clock, batches, under, lastRead } = await start({ limits: { waitingMax: 1 } });
  await writer.append(send('ann'));
  await writer.append(send('bob'));
  expect([await lastRead('ann', under), await lastRead('bob', under)]).toEqual([0, 2]);
  await clock.advance(MERGE_MS);
  await writer.append(send('bob'));
  expect(batches.flat().map((command) => command.op === 'send' && (command.ensureMembers ?? false))).toEqual([false, true, false, false]);
});

test('positions go in parts, one after the other', async () => {
  const { writer, clock, batches } = await start({ limits: { partMin: 1 } });
  await Promise.all([writer.append(send('ann')), writer.append(send('bob'))]);
  await clock.advance(MERGE_MS);
  expect(batches.map((batch) => batch.map(({ op }) => op))).toEqual([['send', 'send'], ['read'], ['read']]);
});

test('what cannot be written now is shown on, and written later; a newer one counts', async () => {
  const memory = openMemoryStore();
  let away = false;
  const store: Store = {
    ...memory,
    commit: async (batch) => {
      if (away) throw new Error('away');
      return memory.commit(batch);
    },
  };
  const { writer, clock, lastRead, errors, reads } = await start({ under: store });
  await writer.append(send());
  away = true;
  await clock.advance(MERGE_MS);
  expect(errors).toHaveLength(1);
  expect([await lastRead('ann'), await lastRead('ann', memory)]).toEqual([1, 0]);
  away = false;
  await writer.append(send());
  await clock.advance(60_000);
  expect(reads()).toEqual([read('ann', 1), read('ann', 2)]);
  expect(await lastRead('ann', memory)).toBe(2);
});

test('an orderly end writes what waits', async () => {
  const { writer, ownReads, under, lastRead } = await start();
  await writer.append(send());
  await ownReads.close();
  expect(await lastRead('ann', under)).toBe(1);
  await ownReads.close();
});

test('after a crash the next start heals', async () => {
  const { writer, under } = await start();
  await writer.append(send());
  const next = await start({ under });
  expect(await next.lastRead('ann')).toBe(0);
  await next.ownReads.heal();
  expect([await next.lastRead('ann'), next.healed()]).toEqual([1, 1]);
  await next.ownReads.heal();
  expect(next.healed()).toBe(1);
});

test('a commit whose outcome is not known is healed when the store is back; a resend shows its message at once', async () => {
  const memory = openMemoryStore();
  let lostAnswers = 0;
  let away = false;
  const store: Store = {
    ...memory,
    async commit(batch) {
      const outcomes = await memory.commit(batch);
      if (lostAnswers-- > 0) throw new Error('connection lost');
      return outcomes;
    },
    async healOwnReads(options) {
      if (away) throw new Error('away');
      return memory.healOwnReads(options);
    },
  };
  const { writer, clock, lastRead, errors } = await start({ under: store });
  const command = send();
  [lostAnswers, away] = [1, true];
  await expect(writer.append(command)).rejects.toMatchObject({ code: 'store_unavailable' });
  await clock.advance(0);
  expect([errors.length, await lastRead('ann')]).toEqual([1, 0]);
  expect(await writer.append(command)).toMatchObject({ ok: true, dup: true });
  expect(await lastRead('ann')).toBe(1);
  [lostAnswers, away] = [1, false];
  await expect(writer.append(send('bob'))).rejects.toMatchObject({ code: 'store_unavailable' });
  await clock.advance(60_000);
  expect(await lastRead('bob', memory)).toBe(2);
});

test('messages of another node are shown as soon as they are heard of, and written by that node alone', async () => {
  const { under, ownReads, clock, lastRead, reads, store } = await start();
  const tell = async (command: Command) => {
    const [outcome] = await under.commit([command]);
    if (!outcome?.ok || !('entry' in outcome) || outcome.entry === undefined) throw new Error('not saved');
    ownReads.heard({ entries: [committedEntry(outcome.entry)], receipts: [], revs: [] });
  };
  await tell(send('ann'));
  await tell(send('bob'));
  expect([await lastRead('ann'), await lastRead('bob')]).toEqual([1, 2]);
  await clock.advance(9_000);
  expect(await lastRead('ann')).toBe(1);
  await tell({ op: 'remove', cid: 'c', by: 'bob', at: 1, uid: 'ann' });
  await tell({ op: 'add', cid: 'c', by: 'bob', at: 1, users: ['ann'], role: 'member', createUsers: false });
  expect(await lastRead('ann')).toBe(0);
  await clock.advance(60_000);
  expect(reads()).toEqual([]);
  // Not heard of, but seen.
  await under.commit([send('ann')]);
  expect((await store.conversationView('ann', 'c'))?.lastRead).toBe(3);
});

test('a message that is heard of after its sender was removed shows nothing', async () => {
  const { under, ownReads, store } = await start();
  const entries = [];
  for (const command of [send('ann'), { op: 'remove', cid: 'c', by: 'bob', at: 1, uid: 'ann' } as const]) {
    const [outcome] = await under.commit([command]);
    entries.push((outcome as { entry: Parameters<typeof committedEntry>[0] }).entry);
  }
  for (const entry of entries.toReversed()) ownReads.heard({ entries: [committedEntry(entry)], receipts: [], revs: [] });
  expect(await store.positions('c')).toEqual([]);
});
