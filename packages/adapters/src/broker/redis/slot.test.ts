import { expect, test } from 'vitest';
import { slotOf } from './slot.ts';

test('slots are those of the Redis Cluster specification', () => {
  expect(slotOf('123456789')).toBe(0x31c3);
  expect(slotOf('{user1000}.following')).toBe(slotOf('user1000'));
  expect(slotOf('foo{{bar}}zap')).toBe(slotOf('{bar'));
  expect(slotOf('foo{bar}{zap}')).toBe(slotOf('bar'));
  expect(slotOf('foo{}{bar}')).not.toBe(slotOf('bar'));
});
