import { AcceptLogAway, ChatError } from '@gapless/core';
import { ulidBound } from '@gapless/kit';
import { describe, expect, test } from 'vitest';
import { connectWith, has, late, lostSeqs, numbersOf, refusedSaves, started, useWorld, world } from './faults.ts';
import { RULES } from './world.ts';

// Goal: what two nodes do at once, one of them late, leaves the promises as they are.

useWorld();

describe('opening and closing by two nodes', () => {
  test('an `open` that the store is slow with does not settle what another node opened in between', async () => {
    const [a, b] = [await started(), await started()];
    const cid = await world.conversation();
    let first = true;
    const slow = late((batch) => has('open')(batch) && first && !(first = false));
    const fromA = a.road.append(world.send(cid));
    await world.until(() => slow.count === 1);
    // The opening is b's for the taking.
    await world.clock.advance(2_100);
    const saves = late(has('save'));
    const command = world.send(cid);
    const accepted = await world.sent(b, command);
    const end = accepted.saved!.then(
      () => 'saved',
      (error) => error.code,
    );
    slow.end();
    await world.clock.advance(500);
    saves.end();
    await world.settle(fromA.catch(() => {}));
    expect(await world.settle(end)).toBe('saved');
    expect(await lostSeqs(cid)).toEqual([]);
  });

  test('who gives up closing does not let go what another node holds', async () => {
    const [a, b] = [await started(), await started()];
    const cid = await world.conversation();
    await world.settle((await world.sent(a, world.send(cid))).saved!);
    const saves = refusedSaves();
    await world.sent(a, world.send(cid));
    const change = a.road.append({ op: 'settings', cid, by: 'a', at: 1, title: 'x' }).catch(() => {});
    await world.clock.advance(500);
    const waiting = b.road.append(world.send(cid, { from: 'b' })).catch(() => {});
    // b holds it too after 2 s; a gives up after 3 s. It stays held, so nothing is given that the store may give too.
    await world.settle(change);
    await expect(world.append(a, world.send(cid))).rejects.toMatchObject({ code: 'server_busy' });
    saves.end();
    await world.settle(waiting);
    world.rules.percent = 0;
    await world.sent(b, world.send(cid, { from: 'b' }));
    await world.until(() => a.road.unsaved.size === 0);
    expect(await world.history(cid)).not.toHaveLength(0);
  });

  test('a `close` that arrives late does not close what was opened again', async () => {
    const [a, b] = [await started(), await started()];
    const cid = await world.conversation();
    await world.settle((await world.sent(a, world.send(cid))).saved!);
    let first = true;
    const slow = late((batch) => has('close')(batch) && first && !(first = false));
    const change = a.road.append({ op: 'settings', cid, by: 'a', at: 1, title: 'x' }).catch(() => {});
    await world.until(() => slow.count === 1);
    // b closes it after 2 s, and opens it again.
    const second = await world.sent(b, world.send(cid, { from: 'b' }));
    await world.settle(second.saved!);
    const saves = late(has('save'));
    const third = await world.sent(b, world.send(cid, { from: 'b' }));
    expect(third).toMatchObject({ seq: 3, saved: expect.any(Promise) });
    // Nothing is saved since a read the tail: head 1 is not 2, so this one is refused ...
    slow.end();
    saves.end();
    await world.settle(change);
    expect(await world.settle(third.saved!)).toMatchObject({ seq: 3 });
  });

  test('the same, where what was opened again has no new message in the store', async () => {
    const [a, b] = [await started(), await started()];
    const cid = await world.conversation();
    await world.settle((await world.sent(a, world.send(cid))).saved!);
    let first = true;
    const slow = late((batch) => has('close')(batch) && first && !(first = false));
    const change = a.road.append({ op: 'settings', cid, by: 'a', at: 1, title: 'x' }).catch(() => {});
    await world.until(() => slow.count === 1);
    const saves = late(has('save'));
    const second = await world.sent(b, world.send(cid, { from: 'b' }));
    expect(second).toMatchObject({ seq: 2, saved: expect.any(Promise) });
    const end = second.saved!.then(
      ({ seq }) => seq,
      (error) => error.code,
    );
    slow.end();
    await world.settle(change);
    saves.end();
    expect(await world.settle(end)).toBe(2);
  });
});

test('an entry that the store refuses for good does not keep the saver from all others', async () => {
  const a = await started();
  const [bad, good] = [await world.conversation('bad'), await world.conversation('good')];
  const { commit } = world.store;
  world.store.commit = async (batch) => {
    const outcomes = await commit.call(
      world.store,
      batch.filter((command) => command.op !== 'save' || command.cid !== bad),
    );
    const left = [...outcomes];
    return batch.map((command) => (command.op === 'save' && command.cid === bad ? { ok: false, code: 'over' } : left.shift()!));
  };
  (await world.sent(a, world.send(bad))).saved!.catch(() => {});
  a.kill();
  const b = await started();
  await world.clock.advance(5_000);
  const outcome = await world.sent(b, world.send(good));
  const end = outcome.saved!.then(() => 'saved');
  expect(await world.settle(Promise.race([end, world.clock.sleep(8_000)]))).toBe('saved');
});

describe('order', () => {
  test('a mid of a quarter of an hour ago keeps its place before the next one of its sender', async () => {
    const node = await started();
    const cid = await world.conversation();
    await world.settle((await world.sent(node, world.send(cid))).saved!);
    const old = world.send(cid, { mid: `${ulidBound(world.clock.now() - 15 * 60_000).slice(0, 10)}ABCDEFGH12345678` });
    const fresh = world.send(cid);
    const [first, second] = await world.settle(Promise.all([node.road.append(old), node.road.append(fresh)]));
    expect([first, second].map(numbersOf)).toEqual([2, 3]);
  });

  test('a mid that cannot be looked up now keeps back those behind it', async () => {
    const node = await started();
    const cid = await world.conversation();
    await world.settle((await world.sent(node, world.send(cid))).saved!);
    world.storeAway = true;
    const batch = [world.send(cid, { mid: 'not-a-ulid' }), world.send(cid)];
    const settled = await world.settle(Promise.allSettled(batch.map((command) => node.road.append(command))));
    world.storeAway = false;
    expect(settled).toMatchObject(batch.map(() => ({ status: 'rejected', reason: { code: 'store_unavailable' } })));
    expect((await world.sent(node, batch[0]!)).seq).toBe(2);
  });

  test('a send whose rights rest on older participants is not overtaken by the next one of its sender', async () => {
    const node = await started();
    const cid = await world.conversation();
    await world.sent(node, world.send(cid));
    expect(await world.append(node, { op: 'add', cid, by: 'a', at: 1, users: ['z'], role: 'member', createUsers: true })).toMatchObject({
      ok: true,
    });
    const { membersRev } = (await world.store.conversation(cid))!;
    const guarded = async () => {
      const before = await node.road.append(world.send(cid, { membersRev: 0 }));
      if (before.ok || before.code !== 'stale') return before;
      // As writeGuarded does.
      await world.store.conversation(cid);
      return node.road.append(world.send(cid, { membersRev }));
    };
    const [first, second] = await world.settle(Promise.all([guarded(), node.road.append(world.send(cid, { membersRev }))]));
    expect([first, second].map(numbersOf)).toEqual([2, 3]);
  });
});

test('what went to the store before there was an epoch is not passed by what comes in it', async () => {
  const rules = { ...RULES, enabled: false };
  const node = world.node(undefined, { rules });
  const cid = await world.conversation();
  const [first, second] = [world.send(cid), world.send(cid)];
  const slow = late((batch) => batch.some((command) => command.op === 'send' && command.mid === first.mid));
  const one = node.road.append(first);
  await world.until(() => slow.count === 1);
  // Another node begins, and opens the conversation.
  await world.sent(await started(), world.send(cid));
  rules.enabled = true;
  await world.until(() => node.road.epochs.accepting !== undefined);
  const two = node.road.append(second);
  await world.clock.advance(100);
  slow.end();
  await world.settle(Promise.all([one, two]));
  await world.until(async () => (await world.history(cid)).length === 3);
  const mids = (await world.history(cid)).map(({ mid }) => mid);
  expect(mids.indexOf(first.mid)).toBeLessThan(mids.indexOf(second.mid));
});

test('who loses the right to a message that may have been accepted is told that nobody knows', async () => {
  let accepted = false;
  connectWith((log) => ({
    async accept(epoch, requests) {
      // Accepted, and nobody hears of it; then the sender is removed.
      if (accepted) return requests.map(() => ({ ok: false, code: 'stale' }));
      const outcomes = await log.accept(epoch, requests);
      accepted = outcomes.some(({ ok }) => ok);
      if (!accepted) return outcomes;
      world.store.heads = async (_uid, cids) => cids.map(() => undefined);
      throw new AcceptLogAway();
    },
  }));
  const node = await started();
  const cid = await world.conversation();
  await expect(world.append(node, world.send(cid))).rejects.toMatchObject({ code: 'store_unavailable' });
});

test('what is saved without its saver knowing is told when it finds out', async () => {
  world.rules.deliverBeforeSaved = false;
  const { store } = world;
  const { commit } = store;
  let unheard = 0;
  store.commit = async (batch) => {
    const outcomes = await commit.call(store, batch);
    if (has('save')(batch) && unheard++ === 0) throw new ChatError('store_unavailable');
    return outcomes;
  };
  const node = await started();
  const cid = await world.conversation();
  const { saved } = await world.sent(node, world.send(cid));
  await world.settle(saved!);
  const told = node.heard.flatMap(({ entries }) => entries.map(({ text }) => JSON.parse(text)));
  expect(told).toMatchObject([{ t: 'message', seq: 1 }]);
  expect(told[0]).not.toHaveProperty('stage');
});

test('what was accepted by a call that nobody heard of is told when it is found', async () => {
  let calls = 0;
  connectWith((log) => ({
    async accept(epoch, requests) {
      const outcomes = await log.accept(epoch, requests);
      if (outcomes.some(({ ok }) => ok) && calls++ === 0) throw new AcceptLogAway();
      return outcomes;
    },
  }));
  const node = await started();
  const cid = await world.conversation();
  const { saved } = await world.sent(node, world.send(cid));
  await (saved === undefined ? undefined : world.settle(saved));
  expect(calls).toBeGreaterThan(1);
  expect(node.heard.flatMap(({ entries }) => entries.map(({ text }) => JSON.parse(text)))).toMatchObject([{ t: 'message', seq: 1 }]);
});

test('a notice that is quicker than the answer of the log is not missed', async () => {
  let isSlow = false;
  connectWith((log) => ({
    async accept(...args) {
      const outcomes = await log.accept(...args);
      if (isSlow) await world.clock.sleep(500);
      return outcomes;
    },
  }));
  const node = await started();
  const cid = await world.conversation();
  await world.settle((await world.sent(node, world.send(cid))).saved!);
  isSlow = true;
  const { saved, seq } = await world.sent(node, world.send(cid));
  expect(await world.history(cid)).toHaveLength(2);
  expect(node.road.unsaved.size).toBe(0);
  // No time passes.
  expect(await saved).toMatchObject({ seq });
});

test('what was said to be saved is not said to be only accepted when it comes again', async () => {
  connectWith((log) => ({
    async saved(...args) {
      await world.clock.sleep(500);
      return log.saved(...args);
    },
  }));
  const node = await started();
  const cid = await world.conversation();
  const command = world.send(cid);
  const first = await world.sent(node, command);
  await world.settle(first.saved!);
  const again = await node.road.append(command);
  expect(again).toMatchObject({ ok: true, seq: 1, dup: true });
  expect(again).not.toHaveProperty('saved');
});
