import { setTimeout as sleep } from 'node:timers/promises';

const POLL_MS = 50;

/** Resolves to whether it held within that time. */
export async function until(holds: () => boolean | Promise<boolean>, withinMs: number): Promise<boolean> {
  const end = performance.now() + withinMs;
  while (!(await holds())) {
    if (performance.now() > end) return false;
    await sleep(POLL_MS);
  }
  return true;
}
