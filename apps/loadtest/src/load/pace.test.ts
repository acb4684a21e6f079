import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { LoadClient } from './client.ts';
import { nowUs } from './clock.ts';
import { LoadContext } from './context.ts';
import { type ClientPlan, DEFAULTS, type LoadOptions } from './options.ts';
import { connectAll, Pace } from './pace.ts';

// Goal: a run ends when it is over, whatever the server does, and its latencies start when the client did. Method: clients that only pretend.

const ALONE = { tellReturned: () => {}, over: Promise.resolve() };
const contextOf = (options: Partial<LoadOptions>) => new LoadContext('Lx', { ...DEFAULTS, jwtSecret: '', ...options });

/** So many that flap that the first is due soon; only that one does something. */
function flapping(first: Partial<LoadClient>): LoadClient[] {
  const plan = { role: 'flaps', sends: false } as ClientPlan;
  return Array.from({ length: 9 }, (_, at) => ({ plan, drop: () => false, ...(at === 0 ? first : {}) }) as LoadClient);
}

test('a run ends in time though a client that flaps never comes back', async () => {
  let drops = 0;
  const never = flapping({
    drop: () => ++drops > 0,
    return: () => new Promise<void>(() => {}),
  });
  const startUs = nowUs();
  await new Pace(never, contextOf({ durationMs: 700 }), startUs, ALONE).run();
  expect(drops).toBe(1);
  expect((nowUs() - startUs) / 1_000).toBeGreaterThanOrEqual(700);
});

test('nobody flaps when the run is over', async () => {
  let drops = 0;
  const back = Promise.withResolvers<void>();
  const late = flapping({
    drop: () => ++drops > 0,
    return: () => back.promise,
  });
  // Its second turn, at 2.2 s, comes while it is still away.
  const startUs = nowUs() - 2_000_000;
  await new Pace(late, contextOf({ durationMs: 2_600 }), startUs, ALONE).run();
  back.resolve();
  await sleep(20);
  expect(drops).toBe(1);
});

test('the latency of connecting counts from the first try; who never gets in is not counted as connected', async () => {
  const context = contextOf({});
  const starts: (number | undefined)[] = [];
  const second = (async (intendedUs?: number) => {
    if (starts.push(intendedUs) === 1) throw new Error('refused');
  }) as LoadClient['connect'];
  const refused = {
    over: false,
    plan: { index: 1 },
    connect: async () => {
      refused.over = true;
      throw new Error('not you');
    },
    giveUp: () => {},
  };
  let connected = 0;
  const clients = [{ over: false, plan: { index: 0 }, connect: second }, refused] as unknown as LoadClient[];
  const beforeUs = nowUs();
  await connectAll(clients, context, () => connected++);
  expect(connected).toBe(1);
  expect(starts).toHaveLength(2);
  expect(starts[0]).toBeGreaterThanOrEqual(beforeUs);
  expect(starts[1]).toBe(starts[0]);
  expect(context.errors.get('not connected')).toBe(2);
});
