import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Slices } from './slices.ts';
import { Turns } from './turns.ts';

test('never more than so many at a time, each once, begun in their order, whatever fails', async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 5 }), fc.array(fc.tuple(fc.nat(3), fc.boolean()), { maxLength: 60 }), async (max, tasks) => {
      let waiting = 0;
      const turns = new Turns(max, (count) => (waiting = count));
      const begun: number[] = [];
      let running = 0;
      const results = await Promise.allSettled(
        tasks.map(([ticks, fails], i) =>
          turns.run(async () => {
            begun.push(i);
            expect(++running).toBeLessThanOrEqual(max);
            for (let tick = 0; tick < ticks; tick++) await null;
            running--;
            if (fails) throw new Error('told to');
            return i;
          }),
        ),
      );
      expect(begun).toEqual(tasks.map((_, i) => i));
      expect(results.map(({ status }) => status)).toEqual(tasks.map(([, fails]) => (fails ? 'rejected' : 'fulfilled')));
      expect([running, waiting]).toEqual([0, 0]);
      await turns.run(async () => expect(++running).toBe(1));
    }),
  );
});

test('tasks run in their order, and other events come between them', async () => {
  const slices = new Slices();
  const ran: number[] = [];
  let between = 0;
  const done = new Promise<void>((resolve) => {
    for (let i = 0; i < 50; i++)
      slices.add(() => {
        const until = performance.now() + 1;
        while (performance.now() < until);
        ran.push(i);
        if (i === 49) resolve();
      });
  });
  const tick = setInterval(() => between++, 1);
  await done;
  clearInterval(tick);
  expect(ran).toEqual(Array.from({ length: 50 }, (_, i) => i));
  expect(between).toBeGreaterThan(2);
  expect(slices.waiting).toBe(0);
});
