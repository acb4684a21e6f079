import { describe, expect, test } from 'vitest';
import { has, late, started, useWorld, world } from './faults.ts';

// Goal: reads while something is unsaved are whole.

useWorld();

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
