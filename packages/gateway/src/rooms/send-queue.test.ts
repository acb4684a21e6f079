import { describe, expect, test } from 'vitest';
import { type OverflowPolicy, SendQueue } from './send-queue.ts';

// Goal: the policies, frame by frame. Method: a sink that refuses bytes while `writable` is false, as a socket with full buffers does.

function setUp(policy: OverflowPolicy, max = 3) {
  const written: string[] = [];
  const counts = { dropped: 0, messages: 0 };
  const sink = {
    writable: false,
    /** Writes that are taken before it refuses again. */
    takes: Number.POSITIVE_INFINITY,
    write(bytes: Buffer) {
      written.push(...bytes.toString().split(';').filter(Boolean));
      if (--sink.takes <= 0) sink.writable = false;
    },
  };
  const queue = new SendQueue({
    sink,
    max,
    policy,
    gap: (dropped) => Buffer.from(`gap ${dropped};`),
    onDropped: () => counts.dropped++,
    onWritten: (messages) => (counts.messages += messages),
  });
  const push = (...texts: string[]) => texts.map((text) => queue.push(Buffer.from(`${text};`), { reply: text.startsWith('r') }));
  return {
    queue,
    sink,
    written,
    counts,
    push,
    drain() {
      sink.writable = true;
      queue.flush();
      return written.splice(0);
    },
  };
}

test.each(['drop_oldest', 'drop_new', 'disconnect'] as const)('%s: nothing is lost while the sink takes everything', (policy) => {
  const { push, sink, drain, counts } = setUp(policy);
  sink.writable = true;
  const texts = Array.from({ length: 100 }, (_, i) => `m${i}`);
  expect(push(...texts)).not.toContain(false);
  expect(drain()).toEqual(texts);
  expect(counts).toEqual({ dropped: 0, messages: 100 });
});

describe('a full queue', () => {
  test('drop_oldest keeps the newest, and says what is missing before them', () => {
    const { push, drain, counts } = setUp('drop_oldest');
    expect(push('m1', 'm2', 'm3', 'm4', 'm5')).not.toContain(false);
    expect(drain()).toEqual(['gap 2', 'm3', 'm4', 'm5']);
    expect(counts).toEqual({ dropped: 2, messages: 3 });
    push('m6');
    expect(drain()).toEqual(['m6']);
  });

  test('drop_new keeps the oldest, and says what is missing behind them', () => {
    const { push, drain, counts } = setUp('drop_new');
    expect(push('m1', 'm2', 'm3', 'm4', 'm5')).not.toContain(false);
    expect(drain()).toEqual(['m1', 'm2', 'm3', 'gap 2']);
    expect(counts).toEqual({ dropped: 2, messages: 3 });
    push('m6');
    expect(drain()).toEqual(['m6']);
  });

  test('drop_new: what comes once there is room again stands behind the gap', () => {
    const { push, sink, queue, drain, written } = setUp('drop_new');
    const long = 'm'.repeat(70_000);
    push(long, 'm2', 'm3', 'm4');
    Object.assign(sink, { writable: true, takes: 1 });
    queue.flush();
    expect(written.splice(0)).toEqual([long]);
    push('m5');
    expect(drain()).toEqual(['m2', 'm3', 'gap 1', 'm5']);
  });

  test('disconnect says so', () => {
    const { push, counts } = setUp('disconnect');
    expect(push('m1', 'm2', 'm3', 'm4')).toEqual([true, true, true, false]);
    expect(counts.dropped).toBe(0);
  });
});

describe('replies', () => {
  test('keep their place, and a message gives way to them', () => {
    const oldest = setUp('drop_oldest');
    oldest.push('r1', 'm1', 'm2', 'r2');
    expect(oldest.drain()).toEqual(['gap 1', 'r1', 'm2', 'r2']);
    const newest = setUp('drop_new');
    newest.push('m1', 'm2', 'r1', 'r2');
    expect(newest.drain()).toEqual(['m1', 'r1', 'r2', 'gap 1']);
  });

  test('are never dropped for a message', () => {
    for (const policy of ['drop_oldest', 'drop_new'] as const) {
      const { push, drain } = setUp(policy);
      expect(push('r1', 'r2', 'r3', 'm1')).not.toContain(false);
      expect(drain().filter((text) => text.startsWith('r'))).toEqual(['r1', 'r2', 'r3']);
    }
  });

  test.each(['drop_oldest', 'drop_new', 'disconnect'] as const)('%s: who only asks and never reads is an overflow', (policy) => {
    const { push, queue } = setUp(policy);
    expect(push('r1', 'r2', 'r3', 'r4')).toEqual([true, true, true, false]);
    expect(queue.length).toBe(3);
  });
});

test('it drains as far as the sink takes it, and goes on from there', () => {
  const { push, sink, queue, written, drain } = setUp('drop_oldest', 10);
  const texts = Array.from({ length: 5 }, (_, i) => `m${i}${'x'.repeat(40_000)}`);
  push(...texts);
  Object.assign(sink, { writable: true, takes: 2 });
  queue.flush();
  expect(written.splice(0)).toEqual(texts.slice(0, 2));
  expect(queue.length).toBe(3);
  sink.takes = Number.POSITIVE_INFINITY;
  expect(drain()).toEqual(texts.slice(2));
});
