import { type AcceptLog, AcceptLogAway, ChatError, type Command, type Outcome } from '@gapless/core';
import { ulidBound } from '@gapless/kit';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { RULES, World } from './world.ts';

// Goal: what two nodes do at once, one of them late, leaves the promises as they are.

let world: World;

beforeEach(() => {
  world = new World();
  // A saver that claims the same again and again must not take all the time of the test.
  connectWith((log) => ({
    async reclaim(...args) {
      await new Promise((resolve) => setImmediate(resolve));
      return log.reclaim(...args);
    },
  }));
});

afterEach(async () => {
  world.storeAway = false;
  for (const node of world.nodes) Object.assign(node.cut, { store: false, deaf: false, clockMs: 0 });
  await world.close();
});

async function started(options?: Parameters<World['node']>[1]) {
  const node = world.node(undefined, options);
  await world.until(() => node.road.epochs.accepting !== undefined);
  return node;
}

/** Commits for which it is true wait until they are let go; they are carried out then, or `dropped`. */
function late(isLate: (batch: readonly Command[]) => boolean, { dropped = false } = {}) {
  const { store } = world;
  const { commit } = store;
  const hold = Promise.withResolvers<void>();
  let count = 0;
  store.commit = async (batch) => {
    if (isLate(batch)) {
      count++;
      await hold.promise;
      if (dropped) throw new ChatError('store_unavailable');
    }
    return commit.call(store, batch);
  };
  return {
    get count() {
      return count;
    },
    end() {
      store.commit = commit;
      hold.resolve();
    },
  };
}

/** Saves are refused until it ends; all else goes on. */
function refusedSaves() {
  const { store } = world;
  const { commit } = store;
  store.commit = async (batch) => {
    if (has('save')(batch)) throw new ChatError('store_unavailable');
    return commit.call(store, batch);
  };
  return { end: () => void (store.commit = commit) };
}

const has = (op: Command['op']) => (batch: readonly Command[]) => batch.some((command) => command.op === op);

/** Log of the nodes that are made from here on, with some of its calls otherwise. */
function connectWith(change: (log: AcceptLog) => Partial<AcceptLog>) {
  const connect = world.log.connect.bind(world.log);
  world.log.connect = () => {
    const log = connect();
    const changed = change(log);
    return new Proxy(log, {
      get(target, name) {
        const own = Reflect.get(changed, name);
        if (own !== undefined) return own;
        const value = Reflect.get(target, name, target);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
  };
}

function numbersOf(outcome: Outcome) {
  return outcome.ok && outcome.op === 'send' ? outcome.seq : outcome;
}

async function lostSeqs(cid: string) {
  const changes = await world.store.changes(cid, { after: 0, limit: 10_000 });
  return changes.flatMap((entry) => (entry.op === 'change' && entry.detail.op === 'lost' ? entry.detail.seqs : []));
}

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

describe('the end of an epoch', () => {
  test('nothing is accepted after the node has handed in', async () => {
    const [a, b] = [await started(), await started()];
    const cid = await world.conversation();
    await world.settle((await world.sent(b, world.send(cid))).saved!);
    const { firstOutcomes } = world.store;
    const look = Promise.withResolvers<void>();
    world.store.firstOutcomes = async (...args) => {
      if (args[1][0] === 'not-a-ulid') await look.promise;
      return firstOutcomes.apply(world.store, args);
    };
    const fromA = a.road.append(world.send(cid, { mid: 'not-a-ulid' }));
    await world.clock.advance(100);
    world.log.fault.away(true);
    await world.until(async () => (await world.store.acceptState()).state === 'closed');
    world.log.fault.away(false);
    look.resolve();
    const outcome = await world.settle(fromA);
    const fromB = await world.sent(b, world.send(cid));
    expect(outcome).toMatchObject({ ok: true });
    expect(numbersOf(outcome)).not.toBe(fromB.seq);
  });

  test('`saved` of a later epoch says nothing of what was accepted in an earlier one', async () => {
    const [a, b] = [await started(), await started()];
    const cid = await world.conversation();
    await world.sent(b, world.send(cid));
    await world.until(() => b.road.unsaved.size === 0);
    const saves = late(has('save'), { dropped: true });
    const command = world.send(cid);
    const accepted = await world.sent(a, command);
    const end = accepted.saved!.then(
      ({ seq }) => `saved ${seq}`,
      (error) => error.code,
    );
    // a loses the store and the broker, and the log is emptied.
    a.cut.store = true;
    a.cut.deaf = true;
    world.log.fault.lose();
    saves.end();
    const { epoch } = await world.store.acceptState();
    await world.until(async () => (await world.store.acceptState()).epoch > epoch, 60_000);
    a.cut.deaf = false;
    await world.until(() => (b.road.epochs.accepting ?? 0) > epoch);
    const next = await world.sent(b, world.send(cid, { from: 'b' }));
    await world.settle(next.saved!);
    await world.clock.advance(1_000);
    a.cut.store = false;
    const there = await world.store.firstOutcomes(cid, [command.mid]);
    expect(await lostSeqs(cid)).toContain(accepted.seq);
    expect(await world.settle(end)).toBe(there[0] === undefined ? 'store_unavailable' : `saved ${there[0].seq}`);
  });

  test('emptied while the node looks what is overdue, the log takes nothing from what the node hands in', async () => {
    let lose = false;
    connectWith((log) => ({
      backlog(epoch) {
        if (lose) world.log.fault.lose();
        return log.backlog(epoch);
      },
    }));
    const node = await started();
    const cid = await world.conversation();
    await world.settle((await world.sent(node, world.send(cid))).saved!);
    const saves = late(has('save'));
    const accepted = await world.sent(node, world.send(cid));
    const end = accepted.saved!.then(
      ({ seq }) => seq,
      (error) => error.code,
    );
    await world.clock.advance(4_000);
    lose = true;
    await world.clock.advance(1_100);
    lose = false;
    saves.end();
    expect(await world.settle(end)).toBe(2);
  });

  test('a node that only cannot reach the store is not forgotten while it accepts', async () => {
    const [a, b] = [await started(), await started()];
    const cid = await world.conversation();
    await world.settle((await world.sent(a, world.send(cid))).saved!);
    a.cut.store = true;
    await world.clock.advance(10_000);
    const saves = late(has('save'));
    const told = a.heard.length;
    // The log takes nothing more from it.
    await expect(world.append(a, world.send(cid))).rejects.toBeInstanceOf(ChatError);
    expect(a.heard.length).toBe(told);
    world.log.fault.lose();
    saves.end();
    const next = await world.settle(
      retried(() => b.road.append(world.send(cid, { from: 'b' }))),
      60_000,
    );
    expect(numbersOf(next)).toBe(2);
    expect(await lostSeqs(cid)).toEqual([]);
  });

  test('a node that leaves waits for what it is about to be told', async () => {
    const answer = Promise.withResolvers<void>();
    let hold = false;
    connectWith((log) => ({
      async accept(epoch, requests) {
        const outcomes = await log.accept(epoch, requests);
        if (hold) await answer.promise;
        return outcomes;
      },
    }));
    const [a, b] = [await started(), await started()];
    const cid = await world.conversation();
    await world.settle((await world.sent(a, world.send(cid))).saved!);
    const saves = late(has('save'));
    hold = true;
    const sent = a.road.append(world.send(cid));
    await world.clock.advance(50);
    const closing = a.road.close();
    await world.clock.advance(200);
    const nodes = await world.store.acceptNodes((await world.store.acceptState()).epoch);
    answer.resolve();
    const outcome = await world.settle(sent.catch(() => undefined));
    saves.end();
    await world.settle(closing);
    void b;
    expect({ accepted: outcome?.ok, known: nodes.map(({ node }) => node) }).toEqual({ accepted: true, known: ['n0', 'n1'] });
  });
});

describe('switches and time', () => {
  test('a node that was started with it off does not end the epoch for all', async () => {
    await started();
    world.node(undefined, { rules: { ...RULES, enabled: false } });
    const { epoch } = await world.store.acceptState();
    await world.clock.advance(60_000);
    expect(await world.store.acceptState()).toEqual({ epoch, state: 'open' });
  });

  test('after the clock was set back the log is given up as soon as ever, and the store takes the sends', async () => {
    const node = await started();
    const cid = await world.conversation();
    await world.settle((await world.sent(node, world.send(cid))).saved!);
    world.log.fault.away(true);
    await world.clock.advance(200);
    node.cut.clockMs = -3_600_000;
    await world.clock.advance(20_000);
    expect((await world.store.acceptState()).state).toBe('closed');
  });

  test('a send behind one that the store hangs with is answered', async () => {
    const node = await started();
    const cid = await world.conversation();
    await world.settle((await world.sent(node, world.send(cid))).saved!);
    const { firstOutcomes } = world.store;
    const look = Promise.withResolvers<void>();
    world.store.firstOutcomes = async (...args) => {
      await look.promise;
      return firstOutcomes.apply(world.store, args);
    };
    let answered = false;
    const both = [world.send(cid, { mid: 'not-a-ulid' }), world.send(cid)].map((send) => node.road.append(send).catch(() => undefined));
    void both[1]!.then(() => (answered = true));
    await world.clock.advance(8_000);
    const was = answered;
    look.resolve();
    await world.settle(Promise.all(both));
    expect(was).toBe(true);
  });

  test('a position beyond what is saved is answered, whatever the store does', async () => {
    const node = await started();
    const cid = await world.conversation();
    const saves = late(has('save'));
    (await world.sent(node, world.send(cid))).saved!.catch(() => {});
    let answered = false;
    const read = node.road.append({ op: 'delivered', cid, uid: 'b', did: 'd', pos: 1 }).then(
      () => (answered = true),
      () => (answered = true),
    );
    await world.clock.advance(6_500);
    const was = answered;
    saves.end();
    await world.settle(read);
    expect(was).toBe(true);
  });
});

describe('reads', () => {
  /** A conversation of which rev is 60 ahead of seq, with 60 messages in the store and 40 that are not. */
  async function ahead() {
    world.rules.enabled = false;
    const node = world.node();
    const cid = await world.conversation();
    for (let i = 0; i < 60; i++) await world.store.commit([{ op: 'settings', cid, by: 'a', at: 1, title: `${i}` }]);
    await world.settle(Promise.all(Array.from({ length: 60 }, () => node.road.append(world.send(cid)))));
    world.rules.enabled = true;
    await world.until(() => node.road.epochs.accepting !== undefined);
    const saves = late(has('save'));
    const outcomes = await world.settle(Promise.all(Array.from({ length: 60 }, () => node.road.append(world.send(cid)))));
    for (const outcome of outcomes) if (outcome.ok && outcome.op === 'send') outcome.saved?.catch(() => {});
    return { node, cid, saves };
  }

  test('what is unsaved is read by seq where rev is far ahead of it', async () => {
    const { node, cid, saves } = await ahead();
    const [head] = await world.settle(node.reads.heads('a', [cid]));
    expect(head).toMatchObject({ head: 120, rev: 180 });
    const page = await world.settle(node.reads.replay(cid, { by: 'seq', after: 110, limit: 20, maxBytes: 100_000 }));
    const messages = await world.settle(node.reads.messages(cid, { after: 110, limit: 20 }));
    saves.end();
    expect({ replay: page.ends.length, messages: messages.length }).toEqual({ replay: 10, messages: 10 });
  });

  test('conversations are paged through once each while something is unsaved', async () => {
    const node = await started();
    for (const cid of ['c1', 'c2', 'c3']) {
      await world.conversation(cid);
      await world.settle((await world.sent(node, world.send(cid))).saved!);
      await world.clock.advance(1_000);
    }
    const saves = late(has('save'));
    for (const cid of ['c1', 'c2']) (await world.sent(node, world.send(cid))).saved!.catch(() => {});
    const seen: string[] = [];
    let before: { updatedAt: number; cid: string } | undefined;
    for (let i = 0; i < 6; i++) {
      const [view] = await world.settle(node.reads.conversationsOf('a', { limit: 1, ...(before === undefined ? {} : { before }) }));
      if (view === undefined) break;
      seen.push(view.cid);
      before = { updatedAt: view.updatedAt, cid: view.cid };
    }
    saves.end();
    expect(seen.toSorted()).toEqual(['c1', 'c2', 'c3']);
  });
});

/** As a client does it, with the same message. */
async function retried<T>(task: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await task();
    } catch (error) {
      if (!(error instanceof ChatError)) throw error;
      await world.clock.sleep(100);
    }
  }
}

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
