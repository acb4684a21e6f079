import type { RunningService } from '@gapless/launch';
import { expect, test } from 'vitest';
import { watched } from './watched-node.ts';

// Goal: a node that crashes is noticed, also when the drill starts it again. Method: a node without a process, which ends when it is told to.

function fakeNode() {
  let pids = 0;
  let pid: number | undefined;
  const service = {
    pid() {
      if (pid === undefined) throw new Error('does not run');
      return pid;
    },
    stop: async () => void (pid = undefined),
    kill: async () => void (pid = undefined),
    start: async () => void (pid ??= ++pids),
  } as RunningService;
  void service.start();
  return { node: watched(service), crash: () => void (pid = undefined) };
}

test('one that the drill ends and starts again did not end by itself', async () => {
  const { node } = fakeNode();
  await node.kill();
  await node.start();
  await node.stop();
  expect(node.endedByItself()).toBe(0);
  await node.start();
  expect(node.endedByItself()).toBe(0);
});

test('a crash counts once, whether it is there to the end, or the drill ends it again, or starts it', async () => {
  const atTheEnd = fakeNode();
  atTheEnd.crash();
  expect([atTheEnd.node.endedByItself(), atTheEnd.node.endedByItself()]).toEqual([1, 1]);
  const killed = fakeNode();
  killed.crash();
  await killed.node.kill();
  await killed.node.start();
  expect(killed.node.endedByItself()).toBe(1);
  const started = fakeNode();
  started.crash();
  await started.node.start();
  started.crash();
  expect(started.node.endedByItself()).toBe(2);
});
