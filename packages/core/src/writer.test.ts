import { FakeClock, settled } from '@gapless/testkit';
import { expect, test } from 'vitest';
import type { Committed } from './events.ts';
import type { Command, Outcome } from './ports/store.ts';
import { Writer } from './writer.ts';

// Goal: group commit that keeps order, bounds its queue and never says more than it knows. Method: a store whose commits end when told.

function startWriter(limits: ConstructorParameters<typeof Writer>[0]['limits'] = {}) {
  const clock = new FakeClock();
  const batches: { commands: readonly Command[]; done: (outcomes?: Outcome[]) => void; fail: (error: Error) => void }[] = [];
  const committed: Committed[] = [];
  const sent: { queueMs: number; totalMs: number }[] = [];
  let inFlight = 0;
  const writer = new Writer({
    clock,
    limits,
    onCommitted: (batch) => committed.push(batch),
    onSent: (queueMs, totalMs) => sent.push({ queueMs, totalMs }),
    store: {
      commit(commands) {
        expect(++inFlight, 'one batch of a lane at a time').toBeLessThanOrEqual(limits.lanes ?? 1);
        return new Promise((resolve, reject) => {
          const end =
            <T>(call: (value: T) => void) =>
            (value: T) => {
              inFlight--;
              call(value);
            };
          batches.push({ commands, done: end((outcomes) => resolve(outcomes ?? commands.map(outcomeOf))), fail: end(reject) });
        });
      },
    },
  });
  return { writer, clock, batches, committed, sent };
}

let seq = 0;
function outcomeOf(command: Command): Outcome {
  seq++;
  const message = { cid: command.cid, seq, rev: seq, mid: String(seq), from: 'u', at: 0, kind: 'text', body: '{}' };
  return { ok: true, op: 'send', seq, rev: seq, at: 0, dup: false, entry: { op: 'message', cid: command.cid, rev: seq, message } };
}

const send = (mid: string, cid = 'c'): Command => ({ op: 'send', cid, mid, from: 'u', at: 0, kind: 'text', body: '{}', digest: mid });
const mids = (commands: readonly Command[]) => commands.map((command) => (command as { mid: string }).mid);

test('what arrives during a commit is the next batch, in its order', async () => {
  const { writer, batches } = startWriter();
  const results = [writer.append(send('a')), writer.append(send('b'))];
  await settled();
  for (const mid of ['c', 'd', 'e']) results.push(writer.append(send(mid)));
  await settled();
  expect(batches.map(({ commands }) => mids(commands))).toEqual([['a', 'b']]);
  batches[0]!.done();
  await settled();
  expect(batches.map(({ commands }) => mids(commands))).toEqual([
    ['a', 'b'],
    ['c', 'd', 'e'],
  ]);
  batches[1]!.done();
  expect((await Promise.all(results)).every((outcome) => outcome.ok)).toBe(true);
});

test('a batch has a bound', async () => {
  const { writer, batches } = startWriter({ batchMax: 2 });
  for (const mid of 'abcde') void writer.append(send(mid));
  for (let i = 0; i < 3; i++) {
    await settled();
    batches[i]!.done();
  }
  expect(batches.map(({ commands }) => mids(commands))).toEqual([['a', 'b'], ['c', 'd'], ['e']]);
});

test('a full queue answers server_busy at once, and nothing of it is written', async () => {
  const { writer, batches } = startWriter({ queueMax: 2 });
  void writer.append(send('flying'));
  await settled();
  void writer.append(send('a'));
  void writer.append(send('b'));
  await expect(writer.append(send('c'))).rejects.toMatchObject({ code: 'server_busy', retryAfterMs: expect.any(Number) });
  batches[0]!.done();
  await settled();
  expect(mids(batches[1]!.commands)).toEqual(['a', 'b']);
});

test('a failed commit is unknown to its callers, and the next batch goes on', async () => {
  const { writer, batches, committed } = startWriter();
  const lost = writer.append(send('a'));
  await settled();
  const next = writer.append(send('b'));
  batches[0]!.fail(new Error('disk'));
  await expect(lost).rejects.toMatchObject({ code: 'store_unavailable' });
  await settled();
  batches[1]!.done();
  await expect(next).resolves.toMatchObject({ ok: true });
  expect(committed).toHaveLength(1);
});

test('a commit that hangs is answered in time: unknown for what flies, busy for what never started', async () => {
  const { writer, clock, batches, committed } = startWriter({ timeoutMs: 5_000 });
  const flying = writer.append(send('flying'));
  await settled();
  const waiting = writer.append(send('waiting'));
  const answers = Promise.allSettled([flying, waiting]);
  await clock.advance(7_000);
  expect((await answers).map((answer) => answer.status === 'rejected' && answer.reason.code)).toEqual(['store_unavailable', 'server_busy']);
  // It was durable after all: the others see it.
  batches[0]!.done();
  await settled();
  expect(committed).toHaveLength(1);
  expect(batches).toHaveLength(1);
});

test('lanes fly beside each other; a conversation stays in one', async () => {
  const { writer, batches } = startWriter({ lanes: 4 });
  for (let i = 0; i < 40; i++) void writer.append(send(String(i), `c${i % 20}`));
  await settled();
  expect(batches.length).toBeGreaterThan(1);
  const lanesOf = new Map<string, Set<number>>();
  batches.forEach(({ commands }, lane) => {
    for (const { cid } of commands) lanesOf.set(cid, (lanesOf.get(cid) ?? new Set()).add(lane));
  });
  expect([...lanesOf.values()].every((lanes) => lanes.size === 1)).toBe(true);
});

test('each send is measured once it has its outcome, whichever; a position is not', async () => {
  const { writer, batches, sent } = startWriter();
  void writer.append(send('a'));
  void writer.append({ op: 'read', cid: 'c', uid: 'u', pos: 1 });
  await settled();
  const lost = writer.append(send('b')).catch((error) => error.code);
  expect(sent).toEqual([]);
  batches[0]!.done();
  await settled();
  expect(sent).toHaveLength(1);
  batches[1]!.fail(new Error('disk'));
  expect(await lost).toBe('store_unavailable');
  await settled();
  expect(sent).toHaveLength(2);
  // The second one waited for all of the first batch.
  const [first, second] = sent as [(typeof sent)[0], (typeof sent)[0]];
  expect(second.queueMs).toBeGreaterThan(0);
  for (const { queueMs, totalMs } of [first, second]) expect(totalMs).toBeGreaterThanOrEqual(queueMs);
});

test('drain waits for everything that was appended', async () => {
  const { writer, batches } = startWriter();
  void writer.append(send('a'));
  await settled();
  void writer.append(send('b'));
  let drained = false;
  const done = writer.drain().then(() => (drained = true));
  batches[0]!.done();
  await settled();
  expect(drained).toBe(false);
  batches[1]!.done();
  await done;
  expect(writer.depth).toBe(0);
});
