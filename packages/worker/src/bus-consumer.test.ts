import { openMemoryStore } from '@gapless/adapters/store/memory';
import type { CloudEvent, Command } from '@gapless/core';
import { expect, test } from 'vitest';
import { busConsumer } from './bus-consumer.ts';

// The events as docs/operating/events.md has them.

const T0 = 1_763_733_600_000;
const participants = [{ uid: 'ann', role: 'owner' as const }];
const COMMANDS: Command[] = [
  { op: 'create', cid: 'c1', kind: 'group', title: 'Plans', by: 'ann', at: T0, participants, createUsers: true },
  { op: 'add', cid: 'c1', by: 'ann', at: T0 + 1_000, users: ['bob', 'cid'], role: 'member', createUsers: true },
  {
    op: 'send',
    cid: 'c1',
    mid: 'm1',
    from: 'bob',
    at: T0 + 2_000,
    kind: 'text',
    body: '{"text":"Hi @ann"}',
    digest: 'd',
    mentions: ['ann'],
  },
  { op: 'settings', cid: 'c1', by: 'ann', at: T0 + 3_000, title: 'Other plans' },
  { op: 'remove', cid: 'c1', by: 'ann', at: T0 + 4_000, uid: 'cid' },
];

test('each kind of row is its event; the bus gets a batch as it is', async () => {
  const store = openMemoryStore();
  await store.commit(COMMANDS);
  const published: CloudEvent[][] = [];
  const bus = {
    publish: async (events: readonly CloudEvent[]) => void published.push([...events]),
    check: async () => {},
    close: async () => {},
  };
  await busConsumer(bus, '/chat').handle(await store.feed(0, { after: 0, limit: 100 }));
  const [second, by] = [(i: number) => `2025-11-21T14:00:0${i}.000Z`, 'ann'];
  const event = (rev: number, type: string, data: object) => ({
    specversion: '1.0',
    id: `c1:${rev}`,
    source: '/chat',
    type,
    subject: 'c1',
    time: second(rev),
    datacontenttype: 'application/json',
    partitionkey: 'c1',
    sequence: `0000000000000000000${rev}`,
    data,
  });
  const message = {
    cid: 'c1',
    seq: 1,
    rev: 2,
    mid: 'm1',
    from: 'bob',
    at: T0 + 2_000,
    kind: 'text',
    body: { text: 'Hi @ann' },
    mentions: ['ann'],
  };
  expect(published).toEqual([
    [
      event(0, 'conversation.created', { cid: 'c1', rev: 0, by, at: T0, kind: 'group', title: 'Plans', users: ['ann'] }),
      event(1, 'member.added', { cid: 'c1', rev: 1, by, at: T0 + 1_000, users: ['bob', 'cid'], role: 'member' }),
      event(2, 'message.created', message),
      event(3, 'conversation.updated', { cid: 'c1', rev: 3, by, at: T0 + 3_000, title: 'Other plans' }),
      event(4, 'member.removed', { cid: 'c1', rev: 4, by, at: T0 + 4_000, users: ['cid'] }),
    ],
  ]);
});

test('sequences sort as text as their revs do, up to the largest', () => {
  const revs = [0, 9, 10, 99, 100, 2 ** 40, Number.MAX_SAFE_INTEGER];
  const sequences = revs.map((rev) => String(rev).padStart(20, '0'));
  expect(sequences.toSorted()).toEqual(sequences);
});
