import type { AcceptOutcome, AcceptRequest } from '@gapless/core';
import { FakeClock, settled } from '@gapless/testkit';
import { ask, ulidOf } from '@gapless/testkit/contract';
import { expect, test } from 'vitest';
import { AcceptQueue } from './accept-queue.ts';

// Goal: sends share scripts the more, the longer a script takes; none waits where nothing is gained by it, and none is lost. Method: a log that
// answers when it is told to, on a clock of the test.

interface Script {
  readonly epoch: number;
  readonly requests: readonly AcceptRequest[];
  answer(): Promise<void>;
  fail(): Promise<void>;
}

function start() {
  const clock = new FakeClock();
  const scripts: Script[] = [];
  const queue = new AcceptQueue(clock, (epoch, requests) => {
    const { promise, resolve, reject } = Promise.withResolvers<readonly AcceptOutcome[]>();
    const outcomes = requests.map((_, i) => ({ ok: true, seq: i + 1, rev: i + 1, at: 0, dup: false, saved: false }) as const);
    const after = (done: () => void) => async () => {
      done();
      await settled();
    };
    scripts.push({ epoch, requests, answer: after(() => resolve(outcomes)), fail: after(() => reject(new Error('away'))) });
    return promise;
  });
  let n = 0;
  const add = (epoch = 1, count = 1) =>
    queue.add(
      epoch,
      Array.from({ length: count }, () => ask('c1', ulidOf(++n))),
    );
  const sizes = () => scripts.map(({ requests }) => requests.length);
  return { clock, scripts, add, sizes };
}

/** Scripts, one after the other, that take so long. */
async function trips({ clock, scripts, add }: ReturnType<typeof start>, ms: number): Promise<void> {
  for (let i = 0; i < 60; i++) {
    await clock.advance(1_000);
    const added = add();
    await clock.advance(ms);
    await scripts.at(-1)!.answer();
    await added;
  }
}

test.for([
  { tripMs: 1, paceMs: 8 },
  { tripMs: 1.5, paceMs: 12 },
  { tripMs: 900, paceMs: 16 },
])(
  'the first one waits for nobody; what comes within $paceMs ms, where a script takes $tripMs, shares the next',
  async ({ tripMs, paceMs }) => {
    const world = start();
    const { clock, scripts, add, sizes } = world;
    await trips(world, tripMs);
    scripts.length = 0;
    await clock.advance(1_000);
    const asked = [add(), add(), add()];
    await clock.advance(paceMs - 2);
    asked.push(add());
    expect(sizes()).toEqual([1]);
    await clock.advance(2);
    expect(sizes()).toEqual([1, 3]);
    for (const script of scripts) await script.answer();
    const answers = await Promise.all(asked);
    expect(answers.map(([outcome]) => outcome)).toMatchObject([{ seq: 1 }, { seq: 1 }, { seq: 2 }, { seq: 3 }]);
  },
);

test('a full batch goes at once', async () => {
  const world = start();
  const { clock, add, sizes, scripts } = world;
  await trips(world, 900);
  scripts.length = 0;
  await clock.advance(1_000);
  void add();
  void add(1, 99);
  expect(sizes()).toEqual([1]);
  void add();
  expect(sizes()).toEqual([1, 100]);
});

test('two scripts under way at most; calls of another epoch have their own', async () => {
  const { clock, scripts, add, sizes } = start();
  void add();
  void add();
  void add();
  void add(2);
  await clock.advance(100);
  expect(sizes()).toEqual([1, 1]);
  await scripts[0]!.answer();
  await clock.advance(100);
  expect(scripts.map(({ epoch, requests }) => [epoch, requests.length])).toEqual([
    [1, 1],
    [1, 1],
    [1, 1],
  ]);
  await scripts[1]!.answer();
  await clock.advance(100);
  expect(scripts.at(-1)).toMatchObject({ epoch: 2 });
});

test('a script that fails fails its calls, and the others go on', async () => {
  const { clock, scripts, add, sizes } = start();
  const failed = Promise.all([add(), add()].map((call) => expect(call).rejects.toThrow('away')));
  const third = add();
  await clock.advance(100);
  expect(sizes()).toEqual([1, 1]);
  for (const script of scripts.slice()) await script.fail();
  await failed;
  await clock.advance(100);
  await scripts[2]!.answer();
  expect(await third).toHaveLength(1);
});
