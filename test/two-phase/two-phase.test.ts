import { ChatError, WINDOW_MIN } from '@gapless/core';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { World } from './world.ts';

// Goal: a message that is accepted gets its number, and is saved under it, whatever happens to the accept log, the store and the nodes.

let world: World;

beforeEach(() => {
  world = new World();
});

afterEach(() => world.close());

/** A node in an epoch. */
async function started() {
  const node = world.node();
  await world.until(() => node.road.epochs.accepting !== undefined);
  return node;
}

describe('accepting', () => {
  test('a send is accepted with its number, told, and saved under it', async () => {
    const node = await started();
    const cid = await world.conversation();
    const outcome = await world.sent(node, world.send(cid));
    expect(outcome).toMatchObject({ seq: 1, rev: 1, dup: false });
    expect(outcome.saved).toBeInstanceOf(Promise);
    expect(node.heard.flatMap(({ entries }) => entries.map(({ text }) => JSON.parse(text)))).toMatchObject([{ seq: 1, stage: 'accepted' }]);
    expect(await world.settle(outcome.saved!)).toMatchObject({ seq: 1, rev: 1 });
    expect(await world.history(cid)).toHaveLength(1);
  });

  test('two nodes give one row of numbers; each sender keeps its order', async () => {
    const [a, b] = [await started(), await started()];
    const cid = await world.conversation();
    const sends = Array.from({ length: 200 }, (_, i) => ({ node: i % 2 ? a : b, command: world.send(cid, { from: i % 2 ? 'a' : 'b' }) }));
    const outcomes = await world.settle(Promise.all(sends.map(({ node, command }) => node.road.append(command))));
    const seqs = outcomes.map((outcome) => (outcome.ok && outcome.op === 'send' ? outcome.seq : 0));
    expect(seqs.toSorted((x, y) => x - y)).toEqual(Array.from({ length: 200 }, (_, i) => i + 1));
    for (const parity of [0, 1]) {
      const own = seqs.filter((_, i) => i % 2 === parity);
      expect(own).toEqual(own.toSorted((x, y) => x - y));
    }
    await world.until(() => a.road.unsaved.size + b.road.unsaved.size === 0);
    const history = await world.history(cid);
    expect(history.map(({ mid }) => mid)).toEqual(seqs.map((_, i) => sends[seqs.indexOf(i + 1)]!.command.mid));
  });

  test('a mid is one message: before it is saved, after it, on another node, and where it is no ULID', async () => {
    const [a, b] = [await started(), await started()];
    const cid = await world.conversation();
    for (const command of [world.send(cid), world.send(cid, { mid: 'not-a-ulid' })]) {
      const first = await world.sent(a, command);
      expect(await world.sent(b, command)).toMatchObject({ seq: first.seq, dup: true });
      await world.settle(first.saved!);
      expect(await world.sent(b, command)).toMatchObject({ seq: first.seq, dup: true, at: first.at });
      expect(await world.append(a, { ...command, digest: 'other' })).toEqual({ ok: false, code: 'mid_conflict' });
      expect(await world.append(a, { ...command, from: 'b' })).toEqual({ ok: false, code: 'mid_conflict' });
    }
    expect(await world.history(cid)).toHaveLength(2);
  });

  test('a mid of long ago, saved the one-phase way, is still that message', async () => {
    world.rules.enabled = false;
    const node = world.node();
    const cid = await world.conversation();
    const old = world.send(cid);
    const first = await world.sent(node, old);
    expect(first.saved).toBeUndefined();
    await world.clock.advance(3_600_000);
    world.rules.enabled = true;
    await world.until(() => node.road.epochs.accepting !== undefined);
    await world.sent(node, world.send(cid));
    expect(await world.sent(node, old)).toMatchObject({ seq: 1, dup: true });
    await world.until(() => node.road.unsaved.size === 0);
    expect(await world.history(cid)).toHaveLength(2);
  });

  test('while the store is away sends are accepted, and saved in order when it is back', async () => {
    const node = await started();
    const cid = await world.conversation();
    await world.settle((await world.sent(node, world.send(cid))).saved!);
    world.storeAway = true;
    const outcomes = [];
    for (let i = 0; i < 20; i++) {
      outcomes.push(await world.sent(node, world.send(cid)));
      await world.clock.advance(500);
    }
    expect(node.road.unsaved.size).toBe(20);
    await world.until(() => world.backlog === 20);
    world.storeAway = false;
    await world.settle(Promise.all(outcomes.map(({ saved }) => saved)));
    await world.until(() => world.backlog === 0);
    expect((await world.history(cid)).map(({ seq }) => seq)).toEqual(Array.from({ length: 21 }, (_, i) => i + 1));
  });

  test('a conversation is ahead of the store by its window only', async () => {
    const node = await started();
    const cid = await world.conversation();
    await world.settle((await world.sent(node, world.send(cid))).saved!);
    world.storeAway = true;
    const sends = Array.from({ length: 100 }, () => node.road.append(world.send(cid)));
    const settled = await world.settle(Promise.allSettled(sends));
    const refused = settled.filter(({ status }) => status === 'rejected');
    expect(refused.length).toBe(100 - WINDOW_MIN);
    for (const { reason } of refused as PromiseRejectedResult[]) expect(reason).toMatchObject({ code: 'server_busy' });
    world.storeAway = false;
    await world.until(() => node.road.unsaved.size === 0);
    expect(await world.history(cid)).toHaveLength(1 + 100 - refused.length);
  });
});

describe('reading', () => {
  test('what is accepted is read behind what is saved, and says so', async () => {
    const node = await started();
    const other = await started();
    const cid = await world.conversation();
    await world.settle((await world.sent(node, world.send(cid))).saved!);
    const slow = slowCommits();
    await world.sent(node, world.send(cid));
    await world.sent(node, world.send(cid));
    for (const reads of [node.reads, other.reads]) {
      expect(await world.settle(reads.heads('a', [cid]))).toMatchObject([{ head: 3, rev: 3, saved: 1, lastRead: 3 }]);
      expect(await world.settle(reads.heads('b', [cid]))).toMatchObject([{ head: 3, lastRead: 0 }]);
      expect(await world.settle(reads.positions(cid))).toMatchObject([{ uid: 'a', lastRead: 3 }]);
      const messages = await world.settle(reads.messages(cid, { after: 0, limit: 50 }));
      expect(messages.map(({ seq, stage }) => [seq, stage])).toEqual([
        [1, undefined],
        [2, 'accepted'],
        [3, 'accepted'],
      ]);
      expect((await world.settle(reads.messages(cid, { limit: 2 }))).map(({ seq }) => seq)).toEqual([2, 3]);
      expect((await world.settle(reads.messages(cid, { before: 3, limit: 2 }))).map(({ seq }) => seq)).toEqual([1, 2]);
      expect((await world.settle(reads.changes(cid, { after: 1, limit: 10 }))).map(({ rev }) => rev)).toEqual([2, 3]);
      for (const by of ['rev', 'seq'] as const) {
        const page = await world.settle(reads.replay(cid, { by, after: 0, limit: 10, maxBytes: 10_000 }));
        expect([...page.revs]).toEqual([1, 2, 3]);
        expect(JSON.parse(`[${Buffer.from(page.bytes)}]`).map(({ seq }: { seq: number }) => seq)).toEqual([1, 2, 3]);
        expect(page.ends.at(-1)).toBe(page.bytes.length);
      }
      expect(await world.settle(reads.conversationView('b', cid))).toMatchObject({
        head: 3,
        saved: 1,
        lastMessage: { seq: 3, stage: 'accepted' },
      });
    }
    slow.end();
    await world.until(() => node.road.unsaved.size === 0);
    expect(await world.settle(node.reads.heads('a', [cid]))).toEqual([expect.not.objectContaining({ saved: expect.anything() })]);
  });

  test('without deliver-before-saved nothing is told or read before it is saved', async () => {
    world.rules.deliverBeforeSaved = false;
    const node = await started();
    const cid = await world.conversation();
    const outcome = await world.sent(node, world.send(cid));
    expect(outcome.seq).toBe(1);
    await world.settle(outcome.saved!);
    const told = node.heard.flatMap(({ entries }) => entries.map(({ text }) => JSON.parse(text)));
    expect(told).toHaveLength(1);
    expect(told[0]).not.toHaveProperty('stage');
  });

  test('a position in what is accepted moves when that is saved', async () => {
    const node = await started();
    const cid = await world.conversation();
    const slow = slowCommits();
    await world.sent(node, world.send(cid));
    const read = node.road.append({ op: 'read', cid, uid: 'b', pos: 1 });
    await world.clock.advance(200);
    expect(await world.store.heads('b', [cid])).toMatchObject([{ lastRead: 0 }]);
    slow.end();
    expect(await world.settle(read)).toMatchObject({ ok: true, pos: 1, advanced: true });
    expect(await world.store.heads('b', [cid])).toMatchObject([{ lastRead: 1 }]);
  });
});

describe('switching', () => {
  test('a change of participants closes the conversation, is committed, and it goes on', async () => {
    const node = await started();
    const other = await started();
    const cid = await world.conversation();
    const sends = Array.from({ length: 10 }, () => node.road.append(world.send(cid)));
    const add = other.road.append({ op: 'add', cid, by: 'a', at: 1, users: ['z'], role: 'member', createUsers: true });
    const more = Array.from({ length: 10 }, () => other.road.append(world.send(cid, { from: 'b' })));
    expect(await world.settle(add)).toMatchObject({ ok: true });
    await world.settle(Promise.all([...sends, ...more]));
    await world.clock.advance(2_000);
    await world.sent(node, world.send(cid));
    await world.until(() => node.road.unsaved.size + other.road.unsaved.size === 0);
    expect(await world.history(cid)).toHaveLength(21);
    expect(await world.store.conversation(cid)).toMatchObject({ rev: 22 });
  });

  test('on and off while messages flow: dense, once each, in the order of each sender', async () => {
    const nodes = [await started(), await started()];
    const cids = await Promise.all(['c1', 'c2', 'c3'].map((cid) => world.conversation(cid)));
    const sends: { from: string; cid: string; mid: string }[] = [];
    const pending: Promise<unknown>[] = [];
    const switches = [100, 0, 50, 100, 30, 0, 100];
    for (let i = 0; i < 350; i++) {
      if (i % 50 === 0) world.rules.percent = switches[i / 50]!;
      const [node, from] = i % 2 ? [nodes[0]!, 'a'] : [nodes[1]!, 'b'];
      const command = world.send(cids[i % 3]!, { from });
      sends.push(command);
      pending.push(node.road.append(command));
      if (i % 5 === 0) await world.clock.advance(i % 50 === 0 ? 300 : 30);
    }
    await world.settle(Promise.all(pending), 60_000);
    await world.until(() => nodes.every(({ road }) => road.unsaved.size === 0));
    for (const cid of cids) {
      const history = await world.history(cid);
      for (const from of ['a', 'b']) {
        const sent = sends.filter((send) => send.cid === cid && send.from === from).map(({ mid }) => mid);
        expect(history.filter((message) => message.from === from).map(({ mid }) => mid)).toEqual(sent);
      }
    }
  });

  test('switched off, every conversation goes back to the store by itself', async () => {
    const node = await started();
    const cid = await world.conversation();
    await world.sent(node, world.send(cid));
    world.rules.enabled = false;
    await world.until(async () => (await world.store.acceptState()).state === 'closed');
    expect(await world.store.heads('a', [cid])).toMatchObject([{ epoch: 0, head: 1 }]);
    expect((await world.sent(node, world.send(cid))).saved).toBeUndefined();
    expect(await world.history(cid)).toHaveLength(2);
  });
});

describe('the accept log is lost', () => {
  test('emptied: what nodes accepted is saved under its numbers, and the next numbers follow', async () => {
    const [a, b] = [await started(), await started()];
    const cid = await world.conversation();
    const slow = slowCommits();
    const before = await world.settle(Promise.all(Array.from({ length: 20 }, (_, i) => world.sent(i % 2 ? a : b, world.send(cid)))));
    world.log.fault.lose();
    slow.end();
    const saved = await world.settle(Promise.all(before.map((outcome) => outcome.saved)));
    expect(saved.map((numbers) => numbers!.seq)).toEqual(before.map(({ seq }) => seq));
    const after = await world.sent(a, world.send(cid));
    expect(after.seq).toBe(21);
    await world.until(() => a.road.unsaved.size + b.road.unsaved.size === 0);
    const history = await world.history(cid);
    expect(history).toHaveLength(21);
    expect(history.filter(({ kind }) => kind === 'lost')).toEqual([]);
  });

  test('set back to an older snapshot: no number is given twice', async () => {
    const node = await started();
    const cid = await world.conversation();
    const slow = slowCommits();
    await world.sent(node, world.send(cid));
    const snapshot = world.log.fault.snapshot();
    for (let i = 0; i < 5; i++) await world.sent(node, world.send(cid));
    world.log.fault.rollBack(snapshot);
    slow.end();
    expect((await world.sent(node, world.send(cid))).seq).toBe(7);
    await world.until(() => node.road.unsaved.size === 0);
    expect((await world.history(cid)).filter(({ kind }) => kind === 'lost')).toEqual([]);
  });

  test('away: with fail-open the store takes the sends, and the log again when it is back', async () => {
    const node = await started();
    const cid = await world.conversation();
    await world.sent(node, world.send(cid));
    world.log.fault.away(true);
    const outcome = await world.sent(node, world.send(cid));
    expect(outcome).toMatchObject({ seq: 2 });
    expect(outcome.saved).toBeUndefined();
    world.log.fault.away(false);
    await world.until(() => node.road.epochs.accepting !== undefined);
    const again = await world.sent(node, world.send(cid));
    expect(again).toMatchObject({ seq: 3 });
    await world.settle(again.saved!);
    expect(await world.history(cid)).toHaveLength(3);
  });

  test('away: without fail-open sends are refused, and go on where they were', async () => {
    world.rules.failOpen = false;
    const node = await started();
    const cid = await world.conversation();
    await world.sent(node, world.send(cid));
    world.log.fault.away(true);
    await expect(world.append(node, world.send(cid))).rejects.toMatchObject({ code: 'store_unavailable' });
    world.log.fault.away(false);
    await world.until(() => node.road.epochs.accepting !== undefined);
    expect((await world.sent(node, world.send(cid))).saved).toBeDefined();
    await world.until(() => node.road.unsaved.size === 0);
    await world.history(cid);
  });

  test('with a node: what only that one knew is lost, its numbers are void and not given again', async () => {
    const [a, b] = [await started(), await started()];
    const cid = await world.conversation();
    await world.settle((await world.sent(b, world.send(cid))).saved!);
    const slow = slowCommits();
    const seen = await world.sent(a, world.send(cid));
    expect(seen.seq).toBe(2);
    a.kill();
    world.log.fault.lose();
    slow.end();
    const command = world.send(cid);
    // Until the other one is known to be gone nobody knows its numbers.
    const lostAt = world.clock.elapsed();
    const next = await world.sent(b, command);
    expect(world.clock.elapsed() - lostAt).toBeGreaterThan(3_000);
    expect(next.seq).toBeGreaterThan(2);
    await world.until(() => b.road.unsaved.size === 0);
    const history = await world.history(cid);
    expect(history[1]).toMatchObject({ seq: 2, kind: 'lost', from: 'system' });
    expect(history[next.seq - 1]).toMatchObject({ kind: 'text' });
    const changes = await world.store.changes(cid, { after: 0, limit: 1_000 });
    const lost = changes.flatMap((entry) => (entry.op === 'change' && entry.detail.op === 'lost' ? entry.detail.seqs : []));
    expect(lost).toEqual(history.filter(({ kind }) => kind === 'lost').map(({ seq }) => seq));
  });

  test('a node that dies alone loses nothing: the log has what it accepted', async () => {
    const [a, b] = [await started(), await started()];
    const cid = await world.conversation();
    const slow = slowCommits();
    for (let i = 0; i < 10; i++) await world.sent(a, world.send(cid));
    a.kill();
    slow.end();
    await world.until(async () => (await world.store.conversation(cid))?.head === 10);
    expect((await world.sent(b, world.send(cid))).seq).toBe(11);
    await world.until(() => b.road.unsaved.size === 0);
    expect((await world.history(cid)).filter(({ kind }) => kind === 'lost')).toEqual([]);
    // And the other one need not be waited for when the log is lost much later.
    await world.clock.advance(30_000);
    expect(await world.store.acceptNodes((await world.store.acceptState()).epoch)).toMatchObject([{ node: b.name }]);
  });

  test('found again after it was given up: what it still had is appended under its mid', async () => {
    const [a, b] = [await started(), await started()];
    const cid = await world.conversation();
    await world.settle((await world.sent(b, world.send(cid))).saved!);
    const slow = slowCommits();
    const command = world.send(cid);
    await world.sent(a, command);
    a.kill();
    world.log.fault.away(true);
    slow.end();
    await world.until(async () => (await world.store.acceptState()).state === 'closed');
    world.log.fault.away(false);
    await world.until(() => b.road.epochs.accepting !== undefined);
    const history = await world.history(cid);
    expect(history.filter(({ mid }) => mid === command.mid)).toHaveLength(1);
    expect(await world.sent(b, command)).toMatchObject({ dup: true });
  });
});

test('a node that leaves in good order hands over nothing: what it accepted is saved', async () => {
  const [a, b] = [await started(), await started()];
  const cid = await world.conversation();
  for (let i = 0; i < 10; i++) await world.sent(a, world.send(cid));
  await world.settle(a.close());
  world.nodes.splice(world.nodes.indexOf(a), 1);
  expect(a.road.unsaved.size).toBe(0);
  expect((await world.store.acceptNodes((await world.store.acceptState()).epoch)).map(({ node }) => node)).toEqual([b.name]);
  await expect(world.history(cid)).resolves.toHaveLength(10);
});

/** Saves hang until it ends; all else goes on. */
function slowCommits() {
  const { store } = world;
  const { commit } = store;
  const hold = Promise.withResolvers<void>();
  store.commit = async (batch) => {
    if (batch.some(({ op }) => op === 'save')) {
      await hold.promise;
      throw new ChatError('store_unavailable');
    }
    return commit.call(store, batch);
  };
  return {
    end() {
      store.commit = commit;
      hold.resolve();
    },
  };
}
