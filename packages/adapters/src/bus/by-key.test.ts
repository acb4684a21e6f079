import type { CloudEvent } from '@gapless/core';
import { expect, test } from 'vitest';
import { publishByKey } from './by-key.ts';

const event = (partitionkey: string, id: string) => ({ partitionkey, id }) as CloudEvent;
const EVENTS = ['1', '2', '3', '4'].flatMap((id) => ['a', 'b', 'c'].map((key) => event(key, id)));

test('each waits for the one before of its key, different keys do not wait for each other', async () => {
  const under = new Map<string, string>();
  const order: string[] = [];
  let most = 0;
  await publishByKey(EVENTS, async ({ partitionkey, id }) => {
    expect(under.has(partitionkey)).toBe(false);
    under.set(partitionkey, id);
    most = Math.max(most, under.size);
    await new Promise((resolve) => setTimeout(resolve, 1));
    under.delete(partitionkey);
    order.push(`${partitionkey}${id}`);
  });
  expect(most).toBe(3);
  for (const key of ['a', 'b', 'c'])
    expect(order.filter((item) => item.startsWith(key))).toEqual(['1', '2', '3', '4'].map((id) => key + id));
});

test('behind a refused one nothing of its key is handed over, and it rejects when nothing is under way any more', async () => {
  const handed: string[] = [];
  let under = 0;
  const publishing = publishByKey(EVENTS, async ({ partitionkey, id }) => {
    handed.push(`${partitionkey}${id}`);
    under++;
    await new Promise((resolve) => setTimeout(resolve, partitionkey === 'b' ? 1 : 10));
    under--;
    if (partitionkey === 'b' && id === '2') throw new Error('no leader');
  });
  await expect(publishing).rejects.toThrow('no leader');
  expect(under).toBe(0);
  expect(handed.filter((item) => item.startsWith('b'))).toEqual(['b1', 'b2']);
});

test('nothing is nothing', async () => {
  await publishByKey([], () => Promise.reject(new Error('never')));
});
