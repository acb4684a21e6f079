import { settled } from '@gapless/testkit';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { joined, send, startCluster } from './cluster.test-util.ts';

// Goal: clients cannot tell how many nodes there are, whatever the broker does. Method: nodes on one memory store, a bus that loses,
// breaks and mends, and a clock that is driven by hand.

const upTo = (n: number) => Array.from({ length: n }, (_, i) => i + 1);

describe('two nodes', () => {
  test('what is said on one is heard on the other, under the same number', async () => {
    const { nodes } = await startCluster(2);
    const cid = await nodes[0]!.group('ada', 'bo');
    const [ada, bo] = [await joined(nodes[0]!, 'ada', cid), await joined(nodes[1]!, 'bo', cid)];
    await ada.send(send(cid, 'a'));
    await bo.send(send(cid, 'b'));
    for (const client of [ada, bo])
      expect(client.of('message').map(({ seq, mid }) => [seq, mid])).toEqual([
        [1, 'a'],
        [2, 'b'],
      ]);
  });

  test('the same mid on both is one message', async () => {
    const { nodes } = await startCluster(2);
    const cid = await nodes[0]!.group('ada', 'bo');
    const clients = [await joined(nodes[0]!, 'ada', cid), await joined(nodes[1]!, 'ada', cid)];
    for (const client of clients) await client.send(send(cid, 'a'));
    expect(clients.map((client) => client.of('ack').map(({ pos, dup }) => [pos, dup]))).toEqual([[[1, undefined]], [[1, true]]]);
    for (const client of clients) expect(client.seqs(cid)).toEqual([1]);
  });

  test('receipts and typing cross over', async () => {
    const { nodes } = await startCluster(2);
    const cid = await nodes[0]!.group('ada', 'bo');
    const [ada, bo] = [await joined(nodes[0]!, 'ada', cid), await joined(nodes[1]!, 'bo', cid)];
    await ada.send(send(cid, 'a'));
    await bo.send({ t: 'read', cid, pos: 1 });
    await bo.send({ t: 'typing', cid, on: true });
    expect(ada.of('read').map(({ from, pos }) => [from, pos])).toEqual([['bo', 1]]);
    expect(ada.of('typing').map(({ from, on }) => [from, on])).toEqual([['bo', true]]);
    await bo.send(send(cid, 'b'));
    expect(ada.of('typing').at(-1)).toMatchObject({ from: 'bo', on: false });
  });

  test('who joins later sees where the others are, wherever they were', async () => {
    const { nodes } = await startCluster(2);
    const cid = await nodes[0]!.group('ada', 'bo', 'cy');
    const [ada, bo] = [await joined(nodes[0]!, 'ada', cid), await joined(nodes[1]!, 'bo', cid)];
    await ada.send(send(cid, 'a'));
    await joined(nodes[0]!, 'cy', cid);
    await bo.send({ t: 'read', cid, pos: 1 });
    const again = await joined(nodes[0]!, 'cy', cid);
    expect(again.of('read').map(({ from, pos }) => [from, pos])).toContainEqual(['bo', 1]);
  });

  test('a conversation made on one is told to its people on the other', async () => {
    const { nodes } = await startCluster(2);
    const bo = await nodes[1]!.connect('bo');
    const cid = await nodes[0]!.group('ada', 'bo');
    await settled();
    expect(bo.of('conversation').map(({ cid: told, op }) => [told, op])).toEqual([[cid, 'added']]);
  });

  test('who is removed on one can neither send nor hear on the other', async () => {
    const { nodes } = await startCluster(2);
    const cid = await nodes[0]!.group('ada', 'bo');
    const [ada, bo] = [await joined(nodes[0]!, 'ada', cid), await joined(nodes[1]!, 'bo', cid)];
    await nodes[0]!.chat.removeParticipant(nodes[0]!.admin, cid, 'bo');
    await ada.send(send(cid, 'secret'));
    await bo.send(send(cid, 'b'));
    expect(bo.of('message')).toEqual([]);
    expect(bo.of('error').map(({ code }) => code)).toEqual(['not_participant']);
  });

  test('a single session is one over all nodes', async () => {
    const { nodes } = await startCluster(2, { singleSession: true });
    const first = await nodes[0]!.connect('ada', { device: 'phone' });
    const second = await nodes[1]!.connect('ada', { device: 'desk' });
    expect(first.of('kick').map(({ code }) => code)).toEqual(['replaced']);
    expect(second.of('kick')).toEqual([]);
  });

  test('sign-outs are told', async () => {
    const { nodes } = await startCluster(2);
    nodes[0]!.others!.revoked(['s1', 's2']);
    await settled();
    expect(nodes[1]!.revoked).toEqual(['s1', 's2']);
  });
});

describe('with the broker gone', () => {
  test('rights that were taken away on another node count at once', async () => {
    const { nodes, bus } = await startCluster(2);
    const cid = await nodes[0]!.group('ada', 'bo');
    const bo = await joined(nodes[1]!, 'bo', cid);
    await bo.send(send(cid, 'before'));
    bus.break();
    await nodes[0]!.chat.removeParticipant(nodes[0]!.admin, cid, 'bo');
    await bo.send(send(cid, 'after'));
    expect(bo.of('ack').map(({ mid }) => mid)).toEqual(['before']);
    expect(bo.of('error').map(({ code }) => code)).toEqual(['not_participant']);
  });

  test('who was let in on another node is let in, after a moment', async () => {
    const { nodes, bus, clock } = await startCluster(2);
    const cid = await nodes[0]!.group('ada');
    await joined(nodes[1]!, 'ada', cid);
    await nodes[1]!.chat.send({ uid: 'ada', role: 'user' }, { cid, mid: 'a', kind: 'text', body: {} });
    bus.break();
    await nodes[0]!.chat.addParticipants(nodes[0]!.admin, cid, { users: ['bo'] });
    await clock.advance(1_000);
    const bo = await joined(nodes[1]!, 'bo', cid);
    await bo.send(send(cid, 'b'));
    expect(bo.of('ack').map(({ mid }) => mid)).toEqual(['b']);
  });

  test('messages are read from the store, some seconds later, and never after a removal', async () => {
    const { nodes, bus, clock } = await startCluster(2);
    const cid = await nodes[0]!.group('ada', 'bo', 'cy');
    const ada = await joined(nodes[0]!, 'ada', cid);
    const [bo, cy] = [await joined(nodes[1]!, 'bo', cid), await joined(nodes[1]!, 'cy', cid)];
    bus.break();
    await ada.send(send(cid, 'a'));
    await nodes[0]!.chat.removeParticipant(nodes[0]!.admin, cid, 'cy');
    await ada.send(send(cid, 'b'));
    expect(bo.of('message')).toEqual([]);
    await clock.advance(6_000);
    expect(bo.seqs(cid)).toEqual([1, 2]);
    expect(cy.seqs(cid)).toEqual([1]);
  });

  test('what was missed comes when it is back: messages, notices and sign-outs', async () => {
    const { nodes, bus, clock } = await startCluster(2);
    const cid = await nodes[0]!.group('ada', 'bo');
    const [ada, bo] = [await joined(nodes[0]!, 'ada', cid), await joined(nodes[1]!, 'bo', cid)];
    bus.break();
    await ada.send(send(cid, 'a'));
    const other = await nodes[0]!.group('ada', 'bo');
    nodes[0]!.others!.revoked(['s1']);
    bus.mend();
    await clock.advance(500);
    expect(bo.seqs(cid)).toEqual([1]);
    expect(bo.of('conversation').filter(({ cid: told }) => told === other).length).toBe(1);
    expect(nodes[1]!.revoked).toEqual(['s1']);
  });
});

describe('a node that dies', () => {
  test('what it saved and did not tell is found', async () => {
    const { nodes, bus, clock } = await startCluster(3);
    const cid = await nodes[0]!.group('ada', 'bo');
    const bo = await joined(nodes[1]!, 'bo', cid);
    bus.lose(1, () => 0);
    await nodes[0]!.say('ada', cid, 3);
    nodes[0]!.others!.close();
    bus.lose(0, () => 1);
    await clock.advance(7_000);
    expect(bo.seqs(cid)).toEqual([1, 2, 3]);
  });

  test('a resend elsewhere shows it at once', async () => {
    const { nodes, bus, clock } = await startCluster(2);
    const cid = await nodes[0]!.group('ada', 'bo');
    const bo = await joined(nodes[1]!, 'bo', cid);
    bus.lose(1, () => 0);
    const ada = await joined(nodes[0]!, 'ada', cid);
    await ada.send(send(cid, 'a'));
    nodes[0]!.others!.close();
    bus.lose(0, () => 1);
    await (await joined(nodes[1]!, 'ada', cid)).send(send(cid, 'a'));
    await clock.advance(200);
    expect(bo.seqs(cid)).toEqual([1]);
  });
});

describe('whatever is lost', () => {
  test('everyone sees everything, once and in order; positions never go back', async () => {
    const step = fc.record({
      node: fc.nat(2),
      count: fc.integer({ min: 0, max: 4 }),
      reads: fc.boolean(),
      share: fc.double({ min: 0, max: 0.9, noNaN: true }),
      away: fc.array(fc.nat(2), { maxLength: 3 }),
      ms: fc.nat(9_000),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 12 }), fc.integer(), async (steps, seed) => {
        const { nodes, bus, clock } = await startCluster(3);
        const random = randomOf(seed);
        const cid = await nodes[0]!.group('u0', 'u1', 'u2');
        const clients = await Promise.all(nodes.map((node, i) => joined(node, `u${i}`, cid)));
        let said = 0;
        for (const { node, count, reads, share, away, ms } of steps) {
          bus.lose(share, random);
          for (const [i, { line }] of nodes.entries()) away.includes(i) ? line.break() : line.mend();
          for (let i = 0; i < count; i++) await clients[node]!.send(send(cid, `m${said++}`));
          if (reads) await clients[node]!.send({ t: 'read', cid, pos: clients[node]!.seqs(cid).at(-1) ?? 0 });
          await clock.advance(ms);
          // Who says nothing for 45 s is taken for gone.
          for (const client of clients) await client.send({ t: 'ping' });
        }
        bus.lose(0, random);
        for (const { line } of nodes) line.mend();
        await clock.advance(15_000);
        for (const client of clients) {
          expect(client.seqs(cid)).toEqual(upTo(said));
          for (const uid of ['u0', 'u1', 'u2']) {
            const places = client.of('read').filter(({ from }) => from === uid);
            expect(places.map(({ pos }) => pos)).toEqual(places.map(({ pos }) => pos).toSorted((x, y) => x - y));
          }
        }
        for (const { gateway, others } of nodes) {
          others!.close();
          gateway.stop();
        }
      }),
      { numRuns: 60 },
    );
  });
});

/** Mulberry32. */
function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
