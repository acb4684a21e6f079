import { expect, test } from 'vitest';
import type { Committed } from '../events.ts';
import type { Broker } from '../ports/broker.ts';
import { silentLog } from '../ports/log.ts';
import { type Announcement, decodeAnnouncement } from './announcement.ts';
import { Announcer } from './announcer.ts';

// Goal: what is committed in one turn is told together, in order, and before whatever comes after it. Method: a broker that keeps what is published.

function start() {
  const told: Announcement[] = [];
  const broker = {
    capabilities: { multiProcess: true, payloadMaxBytes: 1_000_000 },
    publish: async (_: unknown, payload: string) => void told.push(decodeAnnouncement(payload)!),
  } as unknown as Broker;
  const metrics = { announced() {}, notAnnounced() {} } as unknown as ConstructorParameters<typeof Announcer>[0]['metrics'];
  return { told, announcer: new Announcer({ node: 'n1', broker, metrics, log: silentLog }) };
}

const of = (cid: string, rev: number): Committed => ({
  entries: [{ op: 'message', cid, rev, seq: rev, from: 'u1', text: `{"cid":"${cid}","rev":${rev}}` }],
  receipts: [{ op: 'read', cid, uid: 'u1', pos: rev }],
  revs: [{ cid: `${cid}-found`, rev }],
});

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

test('what is committed in one turn is told together, in its order', async () => {
  const { told, announcer } = start();
  announcer.committed(of('c1', 1));
  announcer.committed({ ...of('c2', 1), accepted: [{ cid: 'c3', rev: 5 }] });
  announcer.committed({ ...of('c1', 2), saved: [{ cid: 'c4', rev: 6, epoch: 7 }] });
  expect(told).toEqual([]);
  await turn();
  const all = [of('c1', 1), of('c2', 1), of('c1', 2)];
  expect(told).toEqual([
    {
      ...{ node: 'n1', n: 1, numbered: true },
      committed: {
        entries: all.flatMap(({ entries }) => entries),
        receipts: all.flatMap(({ receipts }) => receipts),
        revs: all.flatMap(({ revs }) => revs),
        accepted: [{ cid: 'c3', rev: 5 }],
        saved: [{ cid: 'c4', rev: 6, epoch: 7 }],
      },
    },
  ]);
  announcer.committed(of('c1', 3));
  await turn();
  expect(told.map(({ n }) => n)).toEqual([1, 2]);
});

test('what is told otherwise comes behind what was committed before it, and says the number of that', async () => {
  const { told, announcer } = start();
  announcer.committed(of('c1', 1));
  void announcer.mention({ leaving: true });
  announcer.committed(of('c1', 2));
  announcer.announce({ revoked: { sids: ['s1'], until: 0 } });
  await turn();
  expect(told.map(({ n, numbered, leaving, revoked, committed: { entries } }) => [n, numbered, leaving, revoked, entries.length])).toEqual([
    [1, true, undefined, undefined, 1],
    [1, false, true, undefined, 0],
    [2, true, undefined, undefined, 1],
    [3, true, undefined, { sids: ['s1'], until: 0 }, 0],
  ]);
});

test('what cannot be told leaves a number out, so that the others look for it', async () => {
  const { told, announcer } = start();
  announcer.committed({
    entries: [
      {
        ...{ op: 'message', cid: 'c1', rev: 1, seq: 1, from: 'u1' },
        get text(): string {
          throw new Error('not rendered');
        },
      },
    ],
    receipts: [],
    revs: [],
  });
  await turn();
  announcer.committed(of('c1', 2));
  await turn();
  expect(told.map(({ n }) => n)).toEqual([2]);
  expect(announcer.kept(1)).toBeUndefined();
});
