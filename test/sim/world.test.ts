import { expect, test } from 'vitest';
import { Random } from './random.ts';
import { World } from './world.ts';

// Goal: time and processes of the simulation are as those of machines. Method: small worlds by hand.

function start(seed = 1) {
  const world = new World(new Random(seed));
  const done: string[] = [];
  const say = (what: string) => () => void done.push(what);
  return { world, done, say };
}

test('tasks come by their time, those of one process at one time in the order in which they were asked for', async () => {
  const { world, done, say } = start();
  const node = world.spawn('node');
  world.in(node, 20, say('late'));
  for (const what of ['a', 'b', 'c']) world.in(node, 10, say(what));
  await world.run();
  expect(done).toEqual(['a', 'b', 'c', 'late']);
  expect(world.now).toBe(20);
});

test('two processes at one time: the seed says who is first', async () => {
  const orders = new Set<string>();
  for (let seed = 1; seed <= 20; seed++) {
    const { world, done, say } = start(seed);
    for (const name of ['one', 'two']) world.in(world.spawn(name), 5, say(name));
    await world.run();
    orders.add(done.join(' '));
  }
  expect([...orders].sort()).toEqual(['one two', 'two one']);
});

test('promises go on before the next task', async () => {
  const { world, done, say } = start();
  world.in(world.outside, 1, async () => {
    for (const what of ['a', 'b', 'c']) await Promise.resolve().then(say(what));
  });
  world.in(world.outside, 1, say('next'));
  await world.run();
  expect(done).toEqual(['a', 'b', 'c', 'next']);
});

test('who is killed does nothing more', async () => {
  const { world, done, say } = start();
  const node = world.spawn('node');
  world.in(node, 1, say('before'));
  world.in(node, 3, say('after'));
  world.in(world.outside, 2, () => world.kill(node));
  await world.run();
  expect(done).toEqual(['before']);
});

test('who stood still does all of it later, in its order, however often it stood still', async () => {
  const { world, done, say } = start();
  const node = world.spawn('node');
  for (const at of [10, 30, 60, 200]) world.in(node, at, say(`${at}`));
  const still = (from: number, until: number) =>
    world.in(world.outside, from, () => {
      node.pausedUntil = Math.max(node.pausedUntil, until);
    });
  still(5, 50);
  still(40, 100);
  await world.run();
  expect(done).toEqual(['10', '30', '60', '200']);
  expect(world.now).toBe(200);
});

test('clocks of processes are apart, timers are not', async () => {
  const { world } = start();
  const ahead = world.spawn('ahead', { skewMs: 5_000 });
  const clock = world.clockOf(ahead);
  const seen: number[] = [];
  world.in(ahead, 0, () => {
    clock.after(100, () => seen.push(clock.now() - world.timeOf(world.outside)));
  });
  await world.run();
  expect(seen).toEqual([5_000]);
  expect(world.now).toBe(100);
});
