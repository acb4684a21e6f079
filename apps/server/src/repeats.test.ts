import { FakeClock } from '@gapless/testkit';
import { expect, test } from 'vitest';
import { Repeats } from './repeats.ts';

test('the first of a kind is logged, and then one a second with the count of the others', async () => {
  const clock = new FakeClock();
  const repeats = new Repeats(clock);
  const away = () => new Error('the store is away');
  expect(repeats.of(away())).toBe(0);
  expect([repeats.of(away()), repeats.of(away())]).toEqual([undefined, undefined]);
  expect(repeats.of(new Error('something else'))).toBe(0);
  await clock.advance(1_000);
  expect(repeats.of(away())).toBe(2);
  await clock.advance(1_000);
  expect(repeats.of(away())).toBe(0);
});

test('errors that are all different are all logged', () => {
  const repeats = new Repeats(new FakeClock());
  for (let i = 0; i < 1_000; i++) expect(repeats.of(new Error(`${i}`))).toBe(0);
});
