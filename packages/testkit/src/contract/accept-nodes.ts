import type { Accepted, Store } from '@gapless/core';
import { expect } from 'vitest';
import { all, beginEpoch, create, group, open, range, save, send, settle, T0 } from './commands.ts';
import type { Cases } from './contract.ts';
import { until } from './feed-reader.ts';

const HOUR_MS = 3_600_000;

function accepted(cid: string, seq: number, rest: Partial<Accepted> = {}): Accepted {
  return { epoch: 1, seq, rev: seq, node: 'n1', send: send(cid, `mid ${seq}`, 'ann', { replyTo: 1, mentions: ['bob'] }), ...rest };
}

const seqs = (items: readonly Accepted[]) => items.map(({ send: { cid }, seq }) => `${cid} ${seq}`);

/** What the store knows of the accept log: its state, the nodes that accept, what they handed in, and which mids there are. */
export const acceptNodeCases: Cases<Store> = {
  async 'there is no epoch at first, and the state moves from what it is'(store) {
    expect(await store.acceptState()).toEqual({ epoch: 0, state: 'closed' });
    const steps = [
      { epoch: 1, state: 'open' } as const,
      { epoch: 1, state: 'settling' } as const,
      { epoch: 1, state: 'closed' } as const,
      { epoch: 2, state: 'open' } as const,
    ];
    let before = await store.acceptState();
    for (const step of steps) {
      expect(await store.moveAcceptState({ ...before, epoch: before.epoch + 1 }, step)).toBe(false);
      expect(await store.moveAcceptState({ ...before, state: before.state === 'open' ? 'closed' : 'open' }, step)).toBe(false);
      expect(await store.acceptState()).toEqual(before);
      expect(await store.moveAcceptState(before, step)).toBe(true);
      expect(await store.acceptState()).toEqual(step);
      before = step;
    }
  },

  async 'a node is live for its lease, and has handed in once it said so'(store) {
    const seen = (node: string, epoch: number, handedIn = false, leaseMs = HOUR_MS) =>
      store.seenAccepting({ node, epoch, handedIn, leaseMs });
    await beginEpoch(store, 1);
    expect(await store.acceptNodes(1)).toEqual([]);
    expect(await seen('n2', 1)).toBe(true);
    expect(await seen('n1', 1, false, 1)).toBe(true);
    await until(async () => (await store.acceptNodes(1))[0]?.live === false);
    expect(await store.acceptNodes(1)).toEqual([
      { node: 'n1', epoch: 1, handedIn: false, live: false },
      { node: 'n2', epoch: 1, handedIn: false, live: true },
    ]);
    expect(await seen('n1', 1, true)).toBe(true);
    expect(await seen('n1', 1, false)).toBe(true);
    expect((await store.acceptNodes(1))[0]).toEqual({ node: 'n1', epoch: 1, handedIn: true, live: true });
  },

  async 'a node is in only in the epoch that is open, and may still hand in while that is settled'(store) {
    const seen = (node: string, epoch: number, handedIn: boolean) => store.seenAccepting({ node, epoch, handedIn, leaseMs: HOUR_MS });
    for (const epoch of [0, 1]) for (const handedIn of [false, true]) expect(await seen('n1', epoch, handedIn)).toBe(false);
    await beginEpoch(store, 2);
    for (const epoch of [0, 1, 3]) for (const handedIn of [false, true]) expect(await seen('n1', epoch, handedIn)).toBe(false);
    expect(await seen('n1', 2, false)).toBe(true);
    await store.moveAcceptState({ epoch: 2, state: 'open' }, { epoch: 2, state: 'settling' });
    expect(await seen('n1', 2, false)).toBe(false);
    expect(await seen('n2', 2, false)).toBe(false);
    expect(await store.acceptNodes(2)).toEqual([{ node: 'n1', epoch: 2, handedIn: false, live: true }]);
    expect(await seen('n1', 2, true)).toBe(true);
    expect(await seen('n3', 2, true)).toBe(true);
    await store.moveAcceptState({ epoch: 2, state: 'settling' }, { epoch: 2, state: 'closed' });
    for (const handedIn of [false, true]) expect(await seen('n2', 2, handedIn)).toBe(false);
    expect((await store.acceptNodes(2)).map(({ node, handedIn }) => [node, handedIn])).toEqual([
      ['n1', true],
      ['n3', true],
    ]);
    for (const epoch of [0, 1, 3]) expect(await store.acceptNodes(epoch)).toEqual([]);
  },

  async 'a node of a newer epoch is forgotten in the older one, and never goes back'(store) {
    const seen = (epoch: number, handedIn = false) => store.seenAccepting({ node: 'n1', epoch, handedIn, leaseMs: HOUR_MS });
    await beginEpoch(store, 1);
    await seen(1, true);
    await beginEpoch(store, 2);
    expect(await seen(2)).toBe(true);
    expect(await seen(1, true)).toBe(false);
    expect(await store.acceptNodes(1)).toEqual([]);
    expect(await store.acceptNodes(2)).toEqual([{ node: 'n1', epoch: 2, handedIn: false, live: true }]);
    await store.forgetAcceptNode('n1', 1);
    expect(await store.acceptNodes(2)).toHaveLength(1);
    await store.forgetAcceptNode('n1', 2);
    await store.forgetAcceptNode('n1', 2);
    expect(await store.acceptNodes(2)).toEqual([]);
  },

  async 'what is rescued comes back as it was, what is there first stays'(store) {
    await group(store, 2);
    const first = accepted('c1', 3);
    await store.rescue([]);
    await store.rescue([accepted('c1', 4), first]);
    await store.rescue([accepted('c1', 3, { node: 'n2', send: send('c1', 'another', 'bob') }), accepted('c1', 5, { epoch: 2 })]);
    expect(await store.rescued(1, ['c1'])).toEqual([first, accepted('c1', 4)]);
    expect(await store.rescued(2, ['c1'])).toEqual([accepted('c1', 5, { epoch: 2 })]);
    expect(await store.rescued(3, ['c1'])).toEqual([]);
    const odd = accepted('c1', 6, { send: send('c1', 'odd', 'ann', { body: '{"text":"\\u0000 你好 \\u0001"}', digest: '' }) });
    await store.rescue([odd]);
    expect((await store.rescued(1, ['c1'])).at(-1)).toEqual(odd);
  },

  async 'rescued ones are those above the head, of the conversations asked for'(store) {
    await all(store, create('c1', ['ann']), create('c2', ['ann']), create('c3', ['ann']));
    await beginEpoch(store, 1);
    await all(store, open('c1', 1));
    await store.rescue(['c2', 'c1', 'c3'].flatMap((cid) => [3, 1, 2, 10].map((seq) => accepted(cid, seq))));
    await all(store, save(send('c1', 'a', 'ann'), 1, 1));
    expect(seqs(await store.rescued(1, ['c2', 'c1', 'nowhere']))).toEqual(['c1 2', 'c1 3', 'c1 10', 'c2 1', 'c2 2', 'c2 3', 'c2 10']);
    expect(await store.rescued(1, [])).toEqual([]);
    await store.rescue([accepted('c1', 2, { epoch: 2 })]);
    await store.clearRescued(1);
    expect(seqs(await store.rescued(1, ['c1', 'c2', 'c3']))).toEqual([]);
    expect(seqs(await store.rescued(2, ['c1']))).toEqual(['c1 2']);
  },

  async 'a thousand rescued at once are there'(store) {
    await group(store);
    await store.rescue(range(1_000).map((seq) => accepted('c1', seq)));
    await store.rescue(range(1_000, 501).map((seq) => accepted('c1', seq)));
    expect((await store.rescued(1, ['c1'])).map(({ seq }) => seq)).toEqual(range(1_500));
  },

  async 'open conversations are listed by cid, in pages'(store) {
    const cids = ['b', 'a', 'Z', 'é', '9', 'a1'];
    await all(store, ...cids.map((cid) => create(cid, ['ann'])));
    await beginEpoch(store, 1);
    expect(await store.openConversations(1, { after: '', limit: 10 })).toEqual([]);
    await all(store, ...cids.map((cid) => open(cid, 1)));
    const listed = ['9', 'Z', 'a', 'a1', 'b', 'é'];
    const page = async (after: string, limit: number) => (await store.openConversations(1, { after, limit })).map(({ cid }) => cid);
    expect(await page('', 10)).toEqual(listed);
    expect(await page('', 2)).toEqual(['9', 'Z']);
    expect(await page('Z', 3)).toEqual(['a', 'a1', 'b']);
    expect(await page('é', 3)).toEqual([]);
    await all(store, settle('a', 1, 0));
    expect(await page('', 10)).toEqual(listed.filter((cid) => cid !== 'a'));
    expect(await store.openConversations(2, { after: '', limit: 10 })).toEqual([]);
  },

  async 'first outcomes are told for each mid, in order'(store) {
    await group(store);
    await all(store, send('c1', 'a', 'ann', { at: T0 + 1 }), { op: 'settings', cid: 'c1', by: 'ann', at: T0, title: 'Plans' });
    await all(store, send('c1', 'b', 'bob', { at: T0 + 2, digest: 'of b' }));
    const b = { mid: 'b', seq: 2, rev: 3, at: T0 + 2, from: 'bob', digest: 'of b' };
    expect(await store.firstOutcomes('c1', ['b', 'B', 'a', 'b'])).toEqual([
      b,
      undefined,
      { mid: 'a', seq: 1, rev: 1, at: T0 + 1, from: 'ann', digest: 'digest of a' },
      b,
    ]);
    expect(await store.firstOutcomes('c1', [])).toEqual([]);
    expect(await store.firstOutcomes('nowhere', ['a'])).toEqual([undefined]);
  },

  async 'mids after one are those that sort after it byte by byte'(store) {
    await group(store);
    const mids = ['b', '01A', 'Z', '_', '01', '01B', 'a', '-', '9'];
    await all(store, create('c2', ['ann']), send('c2', 'x', 'ann'));
    await all(store, ...mids.map((mid) => send('c1', mid, 'ann')));
    const after = async (mid: string, limit = 100) => (await store.midsAfter('c1', mid, limit)).map((item) => item.mid);
    expect(await after('')).toEqual(['-', '01', '01A', '01B', '9', 'Z', '_', 'a', 'b']);
    expect(await after('01')).toEqual(['01A', '01B', '9', 'Z', '_', 'a', 'b']);
    expect(await after('01A', 2)).toEqual(['01B', '9']);
    expect(await after('b')).toEqual([]);
    expect(await store.midsAfter('c1', 'a', 5)).toEqual([{ mid: 'b', seq: 1, rev: 1, at: T0, from: 'ann', digest: 'digest of b' }]);
    expect(await store.midsAfter('nowhere', '', 5)).toEqual([]);
  },

  async 'mids of lost messages are nobody’s'(store) {
    await group(store);
    await beginEpoch(store, 1);
    await all(store, open('c1', 1), settle('c1', 1, 3, { 2: send('c1', 'a', 'ann') }));
    expect((await store.midsAfter('c1', '', 10)).map(({ mid }) => mid)).toEqual(['a']);
  },
};
