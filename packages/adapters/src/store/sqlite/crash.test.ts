import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { expect, test, vi } from 'vitest';
import { Committer, expectKept } from './committer-process.test-util.ts';
import { openSqliteStore } from './index.ts';
import { neverFatal, tempDatabases } from './temp.test-util.ts';

// Goal: what was acked is there whatever ends the process, and after a failed write nothing is written.

const workers = vi.hoisted(() => [] as import('node:worker_threads').Worker[]);
vi.mock('node:worker_threads', async (original) => {
  const module = await original<typeof import('node:worker_threads')>();
  class Watched extends module.Worker {
    constructor(...args: ConstructorParameters<typeof module.Worker>) {
      super(...args);
      workers.push(this);
    }
  }
  return { ...module, Worker: Watched };
});

const ROUNDS = 6;
const newPath = tempDatabases();
const open = (path: string) => openSqliteStore({ path, onFatal: neverFatal });
const send = (mid: string) => ({ op: 'send' as const, cid: 'c1', mid, from: 'ann', at: 1, kind: 'text', body: '{}', digest: mid });

test(`${ROUNDS} kills in the middle of batches: everything acked is there, and dense`, async () => {
  for (let round = 0; round < ROUNDS; round++) {
    const path = newPath();
    const committer = new Committer([path]);
    await committer.wait(2 + Math.floor(Math.random() * 200));
    await committer.kill();
    expect(committer.acked).toBeGreaterThan(0);
    const store = await open(path);
    await expectKept(store, committer.acked);
    await store.close();
  }
});

test('a crashed writer thread: the commit in flight is unavailable, and it is fatal once', async () => {
  const onFatal = vi.fn();
  const store = await openSqliteStore({ path: newPath(), onFatal });
  const inFlight = store.commit(Array.from({ length: 20_000 }, (_, i) => send(`m${i}`)));
  await workers.at(-2)!.terminate();
  await expect(inFlight).rejects.toMatchObject({ code: 'store_unavailable' });
  await expect(store.commit([send('m2')])).rejects.toMatchObject({ code: 'store_unavailable' });
  await expect(store.check()).rejects.toMatchObject({ code: 'store_unavailable' });
  await expect(store.ensureUser({ uid: 'ann', at: 1 })).rejects.toMatchObject({ code: 'store_unavailable' });
  expect(onFatal).toHaveBeenCalledTimes(1);
  await store.close();
});

test('a crashed reader thread: reads are unavailable, and it is fatal once', async () => {
  const onFatal = vi.fn();
  const store = await openSqliteStore({ path: newPath(), onFatal });
  await store.messages('c1', { limit: 1 });
  await workers.at(-1)!.terminate();
  await expect(store.messages('c1', { limit: 1 })).rejects.toMatchObject({ code: 'store_unavailable' });
  expect(onFatal).toHaveBeenCalledTimes(1);
  await store.close();
});

test('a failed fsync is the last one: nothing is acked, written or fsynced after it', async (ctx) => {
  const reason = straceRefusal();
  if (reason !== undefined) return ctx.skip(reason);
  const path = newPath();
  const log = `${path}.strace`;
  const failing = 'inject=fsync,fdatasync:error=EIO:when=60+';
  const under = ['strace', '-f', '-qq', '-o', log, '-e', 'trace=fsync,fdatasync', '-e', failing, '-e', 'signal=none'];
  const committer = new Committer([path], under);
  await committer.exited;
  expect(committer.acked).toBeGreaterThan(0);
  const refusals = committer.lines.filter((line) => !line.startsWith('acked'));
  expect(refusals.toSorted()).toEqual(['fatal', 'open', ...Array(5).fill('refused store_unavailable')]);
  expect(committer.lines.findLastIndex((line) => line.startsWith('acked'))).toBeLessThan(committer.lines.indexOf('fatal'));
  const calls = readFileSync(log, 'utf8')
    .split('\n')
    .filter((line) => /sync\(/.test(line));
  expect(calls.filter((line) => line.includes('EIO'))).toHaveLength(1);
  expect(calls.at(-1)).toContain('EIO');

  const store = await open(path);
  await expectKept(store, committer.acked);
  await store.close();
});

test('a failed fsync of a checkpoint ends it too, and nothing acked is lost', async (ctx) => {
  const reason = straceRefusal();
  if (reason !== undefined) return ctx.skip(reason);
  const path = newPath();
  await (await open(path)).close();
  // Only calls on the file itself, not its log.
  const failing = ['-P', path, '-e', 'trace=fsync,fdatasync', '-e', 'inject=fsync,fdatasync:error=EIO'];
  const committer = new Committer([path, '2000'], ['strace', '-f', '-qq', '-o', '/dev/null', ...failing]);
  await committer.exited;
  expect(committer.acked).toBeGreaterThan(0);
  expect(committer.lines.filter((line) => !line.startsWith('acked'))).toEqual([
    'open',
    'fatal',
    ...Array(5).fill('refused store_unavailable'),
  ]);

  const store = await open(path);
  await expectKept(store, committer.acked);
  await store.close();
});

/** Why strace cannot be used here; undefined when it can. */
function straceRefusal(): string | undefined {
  try {
    execFileSync('strace', ['-f', '-o', '/dev/null', '-e', 'inject=fsync:error=EIO', process.execPath, '-e', '0'], { stdio: 'pipe' });
    return undefined;
  } catch (error) {
    return `strace cannot inject errors here: ${(error as Error).message.split('\n')[0]}`;
  }
}
