import type { ReplayPage } from '@gapless/core';
import { FakeClock } from '@gapless/testkit';
import { expect, test } from 'vitest';
import { shareReplays } from './shared-reads.ts';

const page = (rows: number): ReplayPage => ({
  bytes: new Uint8Array(),
  ends: new Uint32Array(rows),
  revs: new Float64Array(rows),
  removals: [],
});

test('a full page is read once for all who ask within its time; a short one, a failed one and another one anew', async () => {
  const clock = new FakeClock();
  const asked: string[] = [];
  let rows = 10;
  const replay = shareReplays(async (cid, { after }) => {
    asked.push(`${cid} ${after}`);
    if (cid === 'bad') throw new Error('told to');
    return page(rows);
  }, clock);
  const at = (cid: string, after: number) => replay(cid, { by: 'rev', after, limit: 10, maxBytes: 1e6 });
  await Promise.all([at('a', 0), at('a', 0), at('b', 0), at('a', 10)]);
  await at('a', 0);
  expect(asked).toEqual(['a 0', 'b 0', 'a 10']);
  await clock.advance(1_000);
  await at('a', 0);
  expect(asked).toHaveLength(4);
  rows = 3;
  await at('c', 0);
  rows = 10;
  expect((await at('c', 0)).ends).toHaveLength(10);
  await expect(at('bad', 0)).rejects.toThrow('told to');
  await expect(at('bad', 0)).rejects.toThrow('told to');
  expect(asked.slice(4)).toEqual(['c 0', 'c 0', 'bad 0', 'bad 0']);
});

test('it keeps no more than so many', async () => {
  const clock = new FakeClock();
  let reads = 0;
  const replay = shareReplays(async () => {
    reads++;
    return page(1);
  }, clock);
  for (let after = 0; after < 200; after++) await replay('a', { by: 'rev', after, limit: 1, maxBytes: 1e6 });
  await replay('a', { by: 'rev', after: 0, limit: 1, maxBytes: 1e6 });
  expect(reads).toBe(201);
  await replay('a', { by: 'rev', after: 199, limit: 1, maxBytes: 1e6 });
  expect(reads).toBe(201);
});

test('a replay by seq is read anew each time: changes do not follow it', async () => {
  let reads = 0;
  const replay = shareReplays(async () => {
    reads++;
    return page(1);
  }, new FakeClock());
  for (let i = 0; i < 3; i++) await replay('a', { by: 'seq', after: 0, limit: 1, maxBytes: 1e6 });
  expect(reads).toBe(3);
});
