import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openSqliteStore } from '@gapless/adapters/store/sqlite';
import type { Store } from '@gapless/core';
import { systemClock } from '@gapless/kit';
import { afterAll, expect, test } from 'vitest';
import { create, MortalFeed, Recorder, send, startRelay } from './relay.test-util.ts';

// The same promises with a file, its threads and real time.

const folder = mkdtempSync(join(tmpdir(), 'gapless-relay-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const CIDS = Array.from({ length: 8 }, (_, i) => `c${i}`);
const limits = { leaseTtlMs: 1_000, takeEveryMs: 50, saveEveryMs: 50 };

function openStore(name: string): Promise<Store> {
  const onFatal = (error: unknown) => {
    throw new Error('the store called it fatal', { cause: error });
  };
  return openSqliteStore({ path: join(folder, name), onFatal });
}

test('workers that die in the middle of commits and batches: the next one brings every row, in order', async () => {
  const store = await openStore('deaths.db');
  const recorder = new Recorder();
  await store.commit(CIDS.map((cid) => create(cid)));
  let sent = 0;
  const commitSome = async () => {
    for (let i = 0; i < 20; i++) await store.commit(CIDS.map((cid) => send(cid, `m${sent++}`)));
  };
  for (const [i, death] of (['saveCursor', 'feed', 'acquireLease'] as const).entries()) {
    const mortal = new MortalFeed(store);
    const worker = `w${i}`;
    await startRelay({ feed: mortal.feed, clock: systemClock, consumers: [recorder.consumer(worker)], holder: worker, limits });
    await recorder.until(() => recorder.rows.at(-1)?.worker === worker);
    const committing = commitSome();
    mortal.dieOn(death);
    await committing;
    while (!mortal.dead) await systemClock.sleep(5);
    // The next one has something to do, whatever this one still saved.
    await commitSome();
  }
  const { relay } = await startRelay({ feed: store, clock: systemClock, consumers: [recorder.consumer('last')], holder: 'last', limits });
  const { head } = (await store.conversation('c0'))!;
  await recorder.until(() => recorder.revs('c0', 'last').at(-1) === head);
  await relay.close();
  await recorder.expectAll(store, CIDS);
  expect(await store.backlog(0, { after: await store.cursor('bus', 0), countMax: 10 })).toEqual({ rows: 0 });
  await store.close();
});

test('a nudge after each commit brings each row without a poll', async () => {
  const store = await openStore('nudges.db');
  const recorder = new Recorder();
  const polls = { pollMinMs: 3_600_000, pollMaxMs: 3_600_000 };
  const { relay } = await startRelay({ feed: store, clock: systemClock, consumers: [recorder.consumer('w1')], limits: polls });
  await store.commit([create('c1')]);
  for (let i = 1; i <= 50; i++) {
    relay.nudge();
    await recorder.until(() => recorder.rows.length === i);
    await store.commit([send('c1', `m${i}`)]);
  }
  await relay.close();
  await store.close();
});
