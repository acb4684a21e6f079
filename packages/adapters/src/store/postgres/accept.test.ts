import type { Command, Store } from '@gapless/core';
import postgres from 'postgres';
import { expect, test } from 'vitest';
import { emptiedDatabase, openNode, query, serverOf } from './server.test-util.ts';

// Goal: what the accept log rests on is compared and written under one lock. Method: somebody else's transaction is held open until a call
// of the store waits for it; only then it commits.

const server = await serverOf();
const database = 'reason' in server ? undefined : emptiedDatabase(server);
const OPEN = { epoch: 1, state: 'open' } as const;
const SETTLING = { epoch: 1, state: 'settling' } as const;

interface Held {
  readonly store: Store;
  /** Runs `first` in a transaction, begins `then`, and commits once that waits. */
  whileHeld<T>(first: string, then: () => Promise<T>): Promise<T>;
}

function story(title: string, run: (held: Held) => Promise<void>): void {
  test(title, async (ctx) => {
    if ('reason' in server) return ctx.skip(server.reason);
    const url = await database!();
    const [store, other] = [await openNode(url), postgres(url, { max: 1, onnotice() {} })];
    const whileHeld = async <T>(first: string, then: () => Promise<T>): Promise<T> => {
      const { called } = await other.begin(async (transaction) => {
        await transaction.unsafe(first);
        const begun = { called: then() };
        while ((await query(url, WAITING)).length === 0);
        return begun;
      });
      return called;
    };
    try {
      await store.moveAcceptState({ epoch: 0, state: 'closed' }, OPEN);
      await run({ store, whileHeld });
    } finally {
      await Promise.all([store.close(), other.end({ timeout: 1 })]);
    }
  });
}

const WAITING = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";

const seen = (store: Store, handedIn: boolean) => store.seenAccepting({ node: 'n1', epoch: 1, handedIn, leaseMs: 3_600_000 });

story('a node that is seen while the state moves to settling is not in', async ({ store, whileHeld }) => {
  const move = "SELECT move_accept_state(1, 'open', 1, 'settling')";
  expect(await whileHeld(move, () => seen(store, false))).toBe(false);
  expect(await store.acceptNodes(1)).toEqual([]);
  await store.moveAcceptState(SETTLING, OPEN);
  expect(await whileHeld(move, () => seen(store, true))).toBe(true);
});

story('who moves the state waits for a node that is told it is in, and sees it then', async ({ store, whileHeld }) => {
  expect(await whileHeld("SELECT seen_accepting('n1', 1, 0, 3600000)", () => store.moveAcceptState(OPEN, SETTLING))).toBe(true);
  expect(await store.acceptNodes(1)).toEqual([{ node: 'n1', epoch: 1, handedIn: false, live: true }]);
});

story(
  'a settlement takes what a save reserves at that moment, and an opening is compared with the one before',
  async ({ store, whileHeld }) => {
    const open = (opening: number): Command => ({ op: 'open', cid: 'c1', epoch: 1, opening, window: 3 });
    const settle: Command = { op: 'settle', cid: 'c1', epoch: 1, opening: 5, at: 1, messages: [], upTo: 'reserved' };
    const participants = [{ uid: 'ann', role: 'owner' as const }];
    await store.commit([{ op: 'create', cid: 'c1', kind: 'group', by: 'ann', at: 1, participants, createUsers: true }, open(5)]);
    const [settled] = await whileHeld("UPDATE conversation SET reserved = 20 WHERE cid = 'c1'", () => store.commit([settle]));
    expect(settled).toMatchObject({ ok: true, entries: { length: 21 } });
    expect(await store.conversation('c1')).toMatchObject({ head: 20, rev: 21 });

    const newer = 'SELECT commit_accept(\'[{"op": "open", "cid": "c1", "epoch": 1, "opening": 7, "window": 3}]\')';
    expect(await whileHeld(newer, () => store.commit([open(6)]))).toEqual([{ ok: false, code: 'over' }]);
    const newest = newer.replace('7', '9');
    const close: Command = { op: 'close', cid: 'c1', epoch: 1, opening: 7, head: 20 };
    expect(await whileHeld(newest, () => store.commit([close]))).toEqual([{ ok: false, code: 'over' }]);
  },
);
