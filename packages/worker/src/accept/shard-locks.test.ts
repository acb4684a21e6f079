import { openMemoryAcceptLog } from '@gapless/adapters/accept/memory';
import { silentLog } from '@gapless/core';
import { FakeClock } from '@gapless/testkit';
import { expect, test } from 'vitest';
import type { AcceptWorkerDeps } from './deps.ts';
import { ShardLocks } from './shard-locks.ts';

// Goal: in the end every shard has one worker, each node its share, and none is passed round. Method: nodes over one log, on a clock of the test.

const EPOCH = 1;
const SHARDS = 16;
const TTL_MS = 3_000;

async function start() {
  const clock = new FakeClock();
  const server = openMemoryAcceptLog({ clock, shards: SHARDS });
  await server.connect().begin(EPOCH);
  const epochs = { epoch: EPOCH, liveNodes: 1 };
  let calls = 0;
  const join = (node: string) => {
    const accept = server.connect();
    const counted: Partial<AcceptWorkerDeps['accept']> = {
      shards: () => accept.shards(),
      lock(...args) {
        calls++;
        return accept.lock(...args);
      },
      unlock(...args) {
        calls++;
        return accept.unlock(...args);
      },
    };
    const metrics = { shardsOwned() {} };
    const deps = { node, accept: counted, epochs, clock, log: silentLog, metrics, limits: { lockTtlMs: TTL_MS } };
    return new ShardLocks(deps as unknown as AcceptWorkerDeps, 'save');
  };
  const look = async (...nodes: ShardLocks[]) => {
    for (const node of nodes) await node.renew();
  };
  return { clock, epochs, join, look, calls: () => calls };
}

const sizes = (...nodes: ShardLocks[]) => nodes.map(({ owned }) => owned.length);
const all = (...nodes: ShardLocks[]) => nodes.flatMap(({ owned }) => owned).toSorted((a, b) => a - b);
const EVERY = Array.from({ length: SHARDS }, (_, shard) => shard);

test('a node alone has them all; others get their share at its next look, and no shard goes back and forth', async () => {
  const { epochs, join, look, calls } = await start();
  const first = join('n1');
  await look(first);
  expect(all(first)).toEqual(EVERY);
  const others = ['n2', 'n3', 'n4', 'n5'].map(join);
  epochs.liveNodes = 5;
  await look(...others);
  expect(sizes(...others)).toEqual([0, 0, 0, 0]);
  await look(first, ...others);
  expect(first.owned).toEqual([12, 13, 14, 15]);
  expect(sizes(first, ...others)).toEqual([4, 4, 4, 4, 0]);
  const before = [first, ...others].map(({ owned }) => owned);
  const asked = calls();
  for (let i = 0; i < 6; i++) await look(first, ...others);
  expect([first, ...others].map(({ owned }) => owned)).toEqual(before);
  // One call for each node and look.
  expect(calls() - asked).toBe(6 * 5);
});

test('nodes that begin together have them all, each its share', async () => {
  const { epochs, join } = await start();
  epochs.liveNodes = 3;
  const nodes = ['n1', 'n2', 'n3'].map(join);
  await Promise.all(nodes.map((node) => node.renew()));
  expect(sizes(...nodes)).toEqual([6, 6, 4]);
  expect(all(...nodes)).toEqual(EVERY);
});

test('what a node left without a word is taken over when its locks end, and looked at', async () => {
  const { clock, epochs, join, look } = await start();
  epochs.liveNodes = 2;
  const [one, two] = [join('n1'), join('n2')];
  await look(one, two);
  expect(sizes(one, two)).toEqual([8, 8]);
  one.takeFresh();
  // Its timer goes on, and it does nothing.
  Object.defineProperty(two, 'renew', { value: async () => {} });
  await clock.advance(TTL_MS);
  epochs.liveNodes = 1;
  await clock.advance(TTL_MS);
  expect(all(one)).toEqual(EVERY);
  expect(one.takeFresh().toSorted((a, b) => a - b)).toEqual([8, 9, 10, 11, 12, 13, 14, 15]);
});

test('who is short of its share asks for everything, also for what it passed over', async () => {
  const { epochs, join, look } = await start();
  epochs.liveNodes = 2;
  const [one, two] = [join('n1'), join('n2')];
  await look(one, two, one);
  await one.close();
  await look(one);
  expect(sizes(one, two)).toEqual([8, 8]);
  expect(all(one, two)).toEqual(EVERY);
});
