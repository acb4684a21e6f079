import { expect, onTestFinished, test, vi } from 'vitest';
import { Backoff } from './backoff.ts';

test('a wait alone keeps no Node process alive', () => {
  const timers = vi.spyOn(globalThis, 'setTimeout');
  onTestFinished(() => void vi.restoreAllMocks());
  void new Backoff().sleep();
  const timer = timers.mock.results[0]!.value as NodeJS.Timeout;
  expect(timer.hasRef()).toBe(false);
  clearTimeout(timer);
});
