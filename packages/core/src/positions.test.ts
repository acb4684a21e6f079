import { settled } from '@gapless/testkit';
import { expect, test } from 'vitest';
import type { Command, Outcome } from './ports/store.ts';
import { PositionBuffer, type PositionCommand } from './positions.ts';

// Goal: positions are merged for each user while one is being written, and none waits for another's. Method: writes that end when told.

function startBuffer() {
  const writes: { command: Command; done: (outcome?: Outcome) => void; fail: (error: Error) => void }[] = [];
  const buffer = new PositionBuffer({
    append(command) {
      const { promise, resolve, reject } = Promise.withResolvers<Outcome>();
      const { op, pos } = command as PositionCommand;
      writes.push({ command, done: (outcome = { ok: true, op, pos, advanced: true }) => resolve(outcome), fail: reject });
      return promise;
    },
  });
  return { writes, buffer };
}

const read = (pos: number, uid = 'bo', cid = 'c'): PositionCommand => ({ op: 'read', cid, uid, pos });
const delivered = (pos: number, did: string): PositionCommand => ({ op: 'delivered', cid: 'c', uid: 'bo', did, pos });

test('while one is written, the largest of what comes is the next, and answers all who brought it', async () => {
  const { buffer, writes } = startBuffer();
  const first = buffer.advance(read(1));
  const later = [3, 5, 2].map((pos) => buffer.advance(read(pos)));
  expect(writes.map(({ command }) => command)).toEqual([read(1)]);
  writes[0]!.done();
  expect(await first).toBe(1);
  await settled();
  expect(writes.map(({ command }) => command)).toEqual([read(1), read(5)]);
  writes[1]!.done();
  expect(await Promise.all(later)).toEqual([5, 5, 5]);
  expect(writes).toHaveLength(2);
});

test('another user, conversation, device or kind of position waits for none of it', async () => {
  const { buffer, writes } = startBuffer();
  void buffer.advance(read(1));
  const others = [read(1, 'cy'), read(1, 'bo', 'd'), delivered(1, 'phone'), delivered(1, 'laptop')];
  const answers = others.map((command) => buffer.advance(command));
  expect(writes.map(({ command }) => command)).toEqual([read(1), ...others]);
  for (const { done } of writes.slice(1)) done();
  expect(await Promise.all(answers)).toEqual([1, 1, 1, 1]);
  // The slow one holds up only what comes after it.
  void buffer.advance(read(2));
  void buffer.advance(read(2, 'cy'));
  expect(writes.map(({ command }) => command).slice(5)).toEqual([read(2, 'cy')]);
});

test('one that failed is told to those who brought it; the next one is written all the same', async () => {
  const { buffer, writes } = startBuffer();
  const first = buffer.advance(read(1));
  const second = buffer.advance(read(2));
  const told = Promise.allSettled([first, second]);
  writes[0]!.fail(new Error('disk'));
  await settled();
  writes[1]!.done({ ok: false, code: 'not_participant' });
  expect(await told).toMatchObject([
    { status: 'rejected', reason: { message: 'disk' } },
    { status: 'rejected', reason: { code: 'not_participant' } },
  ]);
  const third = buffer.advance(read(3));
  writes[2]!.done();
  expect(await third).toBe(3);
});
