import { ChatError } from '@gapless/core';
import { describe, expect, test } from 'vitest';
import { connectWith, has, late, lostSeqs, numbersOf, retried, started, useWorld, world } from './faults.ts';
import { RULES } from './world.ts';

// Goal: where an epoch ends, or time and the store stand still, nothing is lost and nobody waits for ever.

useWorld();

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
      tails(...args) {
        if (lose) world.log.fault.lose();
        return log.tails(...args);
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
