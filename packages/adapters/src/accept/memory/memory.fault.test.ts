import { AcceptLogAway } from '@gapless/core';
import { systemClock } from '@gapless/kit';
import { FakeClock, settled } from '@gapless/testkit';
import {
  acceptAll,
  acceptOne,
  ask,
  begun,
  everyEntry,
  nothingIn,
  opening,
  saveAll,
  seqsOf,
  ticketFor,
  ulidOf,
} from '@gapless/testkit/contract';
import { expect, test } from 'vitest';
import { openMemoryAcceptLog } from './index.ts';

async function startThree() {
  const server = openMemoryAcceptLog({ clock: systemClock });
  const log = server.connect();
  await begun(log, 'c1');
  expect(await acceptAll(log, 'c1', [1, 2, 3])).toEqual([1, 2, 3]);
  return { log, ...server };
}

test('away: every call rejects, also one that waits; those who watch are told when it is back', async () => {
  const server = openMemoryAcceptLog({ clock: new FakeClock() });
  const [one, two] = [server.connect(), server.connect()];
  await begun(one, 'c1');
  let [told, stopped] = [0, 0];
  two.watch(() => told++);
  two.watch(() => stopped++)();
  const reading = one.read(1, 'save', { shards: [0], node: 'n1', count: 1, blockMs: 60_000 });
  server.fault.away(true);
  await expect(reading).rejects.toThrow(AcceptLogAway);
  await expect(two.accept(1, [ask('c1', ulidOf(1))])).rejects.toThrow(AcceptLogAway);
  await expect(two.check()).rejects.toThrow(AcceptLogAway);
  server.fault.away(true);
  server.fault.away(false);
  server.fault.away(false);
  expect([told, stopped]).toEqual([1, 0]);
  expect(await acceptAll(two, 'c1', [1])).toEqual([1]);
});

test('mute: it happens, and nobody hears so', async () => {
  const { log, fault } = await startThree();
  fault.mute(true);
  await expect(log.accept(1, [ask('c1', ulidOf(4))])).rejects.toThrow(AcceptLogAway);
  fault.mute(false);
  expect(await acceptOne(log, ask('c1', ulidOf(4)))).toMatchObject({ seq: 4, dup: true });
});

test('lost: the epoch is over, everything is gone, and nobody is told', async () => {
  const { log, fault } = await startThree();
  log.watch(() => expect.unreachable());
  fault.lose();
  expect(await log.epoch()).toBeUndefined();
  await nothingIn(log, 1);
  expect([await log.leftovers(9), await log.shardsOf(1)]).toEqual([[], 0]);
  await log.begin(2);
  expect(await log.epoch()).toBe(2);
});

test('set back: another run, with what was there then', async () => {
  const { log, fault } = await startThree();
  const snapshot = fault.snapshot();
  await saveAll(log);
  await acceptAll(log, 'c1', [4, 5]);
  for (const _ of [1, 2]) {
    fault.rollBack(snapshot);
    expect(await log.epoch()).toBeUndefined();
    await nothingIn(log, 1);
    expect((await everyEntry(log)).flatMap(({ entries }) => seqsOf(entries))).toEqual([1, 2, 3]);
    await expect(log.begin(1)).rejects.toThrow('was begun here before');
    await log.begin(2);
    expect(await log.leftovers(2)).toEqual([1]);
    expect(await log.intend(2, 'c1')).toEqual({ opening: 1, first: 1 });
  }
});

test('an end: calls reject, also one that waits', async () => {
  const log = openMemoryAcceptLog({ clock: new FakeClock() }).connect();
  await log.begin(1);
  const reading = log.read(1, 'save', { shards: [0], node: 'n1', count: 1, blockMs: 60_000 });
  await log.end();
  await expect(reading).rejects.toThrow(AcceptLogAway);
  await expect(log.epoch()).rejects.toThrow(AcceptLogAway);
});

test('a read ends when its time is up by the clock, and no sooner', async () => {
  const clock = new FakeClock();
  const log = openMemoryAcceptLog({ clock }).connect();
  await log.begin(1);
  const ends: number[] = [];
  for (const epoch of [1, 2])
    void log.read(epoch, 'save', { shards: [0, 1], node: 'n1', count: 1, blockMs: 1_000 }).then(({ length }) => ends.push(length));
  await clock.advance(999);
  expect(ends).toEqual([]);
  await clock.advance(1);
  expect(ends).toEqual([0, 0]);
});

test('an opening is another’s after two seconds', async () => {
  const clock = new FakeClock();
  const server = openMemoryAcceptLog({ clock });
  const [one, two] = [server.connect(), server.connect()];
  await one.begin(1);
  await one.intend(1, 'c1');
  await clock.advance(1_999);
  expect(await two.intend(1, 'c1')).toBe('opening');
  await clock.advance(1);
  expect(await two.intend(1, 'c1')).toEqual({ opening: 2, first: 1 });
  expect(await one.intend(1, 'c1')).toBe('opening');
});

test('a mid is remembered for a minute at least, however many came since', async () => {
  const clock = new FakeClock();
  const log = openMemoryAcceptLog({ clock }).connect();
  await begun(log, 'c1');
  const numbers = Array.from({ length: 3_000 }, (_, i) => i + 1);
  const firstTwo = () => log.accept(1, [ask('c1', ulidOf(1)), ask('c1', ulidOf(2_500))]);
  await acceptAll(log, 'c1', numbers);
  await saveAll(log);
  await clock.advance(59_999);
  await acceptAll(log, 'c1', [3_001]);
  expect(await firstTwo()).toMatchObject([{ seq: 1, dup: true }, { seq: 2_500 }]);
  await clock.advance(1);
  // Both were in the younger generation; now it is the older one.
  await acceptAll(log, 'c1', [3_002]);
  expect(await firstTwo()).toMatchObject([{ seq: 1 }, { seq: 2_500 }]);
  await acceptAll(
    log,
    'c1',
    numbers.map((n) => 4_000 + n),
  );
  await saveAll(log);
  await clock.advance(59_999);
  await acceptAll(log, 'c1', [8_001]);
  expect(await firstTwo()).toMatchObject([{ seq: 1 }, { seq: 2_500 }]);
  await clock.advance(1);
  await acceptAll(log, 'c1', [8_002]);
  expect(await firstTwo()).toEqual([
    { ok: false, code: 'unsure' },
    { ok: false, code: 'unsure' },
  ]);
});

test('two runs of the same steps are equal', async () => {
  const play = async () => {
    const clock = new FakeClock();
    const server = openMemoryAcceptLog({ clock });
    const [one, two] = [server.connect(), server.connect()];
    const told: unknown[] = [];
    await begun(one, 'c1', 'c2');
    void two.read(1, 'save', { shards: [0, 1, 2, 3], node: 'n2', count: 2, blockMs: 500 }).then((read) => told.push(read));
    for (const n of [1, 2, 3]) void one.accept(1, [ask('c1', ulidOf(n)), ask('c2', ulidOf(n))]).then((outcomes) => told.push(outcomes));
    await settled();
    await clock.advance(2_500);
    const { opening: own } = await ticketFor(two, 'c3');
    told.push(own, await one.open(1, opening('c3', { opening: own })), await two.backlog(1), server.fault.snapshot());
    return told;
  };
  expect(await play()).toEqual(await play());
});
