import type { SendCommand, Store } from '@gapless/core';
import { mountSmallDisk, type SmallDisk } from '@gapless/testkit';
import { expect, test } from 'vitest';
import { openSqliteStore } from './index.ts';
import { neverFatal } from './temp.test-util.ts';

// Goal: a full disk is a refusal, never a loss and never the end. Method: a store on a tiny tmpfs takes messages until one is refused, then
// space is freed; nothing but the refusals may be missing, and the numbers go on without a hole.

const MiB = 1024 * 1024;
const send = (i: number): SendCommand => {
  const body = JSON.stringify({ text: 'x'.repeat(2_000), i });
  return { op: 'send', cid: 'c1', mid: `m${i}`, from: 'ann', at: 1, kind: 'text', body, digest: `${i}` };
};

/** Commits batches until one is refused; gives the mids acked, in order. */
async function sendUntilFull(store: Store, acked: string[]): Promise<void> {
  for (let i = acked.length; ; ) {
    const batch = Array.from({ length: 1 + (i % 4) }, (_, k) => send(i + k));
    try {
      await store.commit(batch);
    } catch (error) {
      expect(error).toMatchObject({ code: 'store_unavailable' });
      return;
    }
    acked.push(...batch.map(({ mid }) => mid));
    i += batch.length;
  }
}

async function expectDense(store: Store, acked: readonly string[]): Promise<void> {
  const messages = await store.messages('c1', { after: 0, limit: 100_000 });
  expect(messages.map(({ seq }) => seq)).toEqual(acked.map((_, i) => i + 1));
  expect(messages.map(({ mid }) => mid)).toEqual(acked);
}

test('a full disk refuses batches and loses nothing; with space it goes on', async (ctx) => {
  const disk = mountSmallDisk(4 * MiB);
  if ('reason' in disk) return ctx.skip(disk.reason);
  ctx.onTestFinished(() => disk.remove());
  await scenario(disk);
});

async function scenario(disk: SmallDisk): Promise<void> {
  const path = `${disk.folder}/gapless.db`;
  disk.fill(2 * MiB);
  let store = await openSqliteStore({ path, onFatal: neverFatal });
  const participants = [{ uid: 'ann', role: 'owner' as const }];
  await store.commit([{ op: 'create', cid: 'c1', kind: 'group', by: 'ann', at: 1, participants, createUsers: true }]);

  const acked: string[] = [];
  await sendUntilFull(store, acked);
  expect(acked.length).toBeGreaterThan(50);
  for (let again = 0; again < 5; again++) await sendUntilFull(store, acked);
  await expect(store.check()).rejects.toMatchObject({ code: 'store_unavailable' });
  await expectDense(store, acked);

  // A server that starts now can at least be read from.
  await store.close();
  store = await openSqliteStore({ path, onFatal: neverFatal });
  await expectDense(store, acked);
  await sendUntilFull(store, acked);

  disk.free();
  await store.check();
  const before = acked.length;
  await sendUntilFull(store, acked);
  expect(acked.length).toBeGreaterThan(before + 50);
  await expectDense(store, acked);

  await store.close();
  store = await openSqliteStore({ path, onFatal: neverFatal });
  await expectDense(store, acked);
  await store.close();
}
