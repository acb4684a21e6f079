import type { Outcome, Store } from '@gapless/core';
import { expect } from 'vitest';
import { all, beginEpoch, close, group, one, open, range, save, send, settle } from './commands.ts';
import type { Cases } from './contract.ts';

/** Several nodes, or several callers of one store, at the same moment. */
export function acceptRaceCases(reopen: (() => Promise<Store>) | undefined): Cases<Store> {
  /** The store, and another node's beside it where there can be one. */
  async function withNodes(store: Store, run: (nodes: readonly Store[]) => Promise<void>): Promise<void> {
    const other = store.capabilities.multiProcess ? await reopen!() : undefined;
    try {
      await run([store, other ?? store]);
    } finally {
      await other?.close();
    }
  }

  return {
    async 'of many that move the state from the same one, one does'(store) {
      await withNodes(store, async (nodes) => {
        for (const epoch of range(10)) {
          const from = await store.acceptState();
          const moves = range(8).map((i) => nodes[i % 2]!.moveAcceptState(from, { epoch: epoch * 10 + i, state: 'open' }));
          const won = (await Promise.all(moves)).flatMap((moved, i) => (moved ? [i + 1] : []));
          expect(won).toHaveLength(1);
          expect(await store.acceptState()).toEqual({ epoch: epoch * 10 + won[0]!, state: 'open' });
        }
      });
    },

    async 'of two that open a conversation one has opened it'(store) {
      await group(store, 1);
      await withNodes(store, async (nodes) => {
        for (const epoch of range(10)) {
          await beginEpoch(store, epoch);
          const outcomes = await Promise.all(nodes.map((node) => one(node, open('c1', epoch))));
          expect(outcomes.map((outcome) => outcome.ok && outcome.op === 'open' && outcome.before).toSorted()).toEqual([0, 1]);
          await all(store, settle('c1', epoch, 1));
        }
      });
    },

    async 'of many openings at once the newest one has it, and each is told of the one before'(store) {
      await group(store);
      await withNodes(store, async (nodes) => {
        for (const epoch of range(10)) {
          await beginEpoch(store, epoch);
          const openings = [3, 8, 1, 6, 2, 7, 5, 4];
          const outcomes = await Promise.all(openings.map((opening, i) => one(nodes[i % 2]!, open('c1', epoch, { opening }))));
          const befores = new Map(
            outcomes.flatMap((outcome, i) => (outcome.ok && outcome.op === 'open' ? [[openings[i]!, outcome.before]] : [])),
          );
          // From the newest back to the first: each that was told yes is in the chain.
          const chain: number[] = [];
          for (let opening = 8; opening > 0; opening = befores.get(opening)!) chain.push(opening);
          expect(chain).toEqual([...befores.keys()].toSorted((a, b) => b - a));
          expect(await one(nodes[0]!, close('c1', epoch, 0, { opening: 8 }))).toMatchObject({ ok: true });
        }
      });
    },

    async 'once an epoch is no longer open, all that is open in it is listed'(store) {
      await group(store);
      await withNodes(store, async (nodes) => {
        for (const epoch of range(10)) {
          await beginEpoch(store, epoch);
          const opening = one(nodes[1]!, open('c1', epoch));
          await nodes[0]!.moveAcceptState({ epoch, state: 'open' }, { epoch, state: 'settling' });
          const listed = await nodes[0]!.openConversations(epoch, { after: '', limit: 10 });
          expect((await opening).ok).toBe(listed.length === 1);
          await all(store, settle('c1', epoch, 0));
        }
      });
    },

    async 'once an epoch is no longer open, every node that was told it is in is listed'(store) {
      await withNodes(store, async (nodes) => {
        for (const epoch of range(10)) {
          await beginEpoch(store, epoch);
          const names = range(4).map((i) => `n${i}`);
          const seen = names.map((node) => nodes[1]!.seenAccepting({ node, epoch, handedIn: false, leaseMs: 3_600_000 }));
          await nodes[0]!.moveAcceptState({ epoch, state: 'open' }, { epoch, state: 'settling' });
          const listed = (await nodes[0]!.acceptNodes(epoch)).map(({ node }) => node);
          const isIn = await Promise.all(seen);
          expect(listed).toEqual(names.filter((_, i) => isIn[i]));
          const late = { node: 'late', epoch, handedIn: false, leaseMs: 3_600_000 };
          expect(await Promise.all(nodes.map((node) => node.seenAccepting(late)))).toEqual([false, false]);
        }
      });
    },

    async 'two that save the same numbers save each once'(store) {
      await group(store);
      await beginEpoch(store, 1);
      await all(store, open('c1', 1));
      await withNodes(store, async (nodes) => {
        const saver = async (node: Store, size: number) => {
          const outcomes: Outcome[] = [];
          for (let seq = 1; seq <= 120; seq += size) {
            const batch = range(Math.min(size, 121 - seq), seq).map((i) => save(send('c1', `m${i}`, 'ann'), 1, i));
            // Numbers that the other one has not saved yet are ahead here: they are tried again.
            for (let left = batch; left.length > 0; ) {
              const made = await node.commit(left);
              expect(made.filter((outcome) => !outcome.ok && outcome.code !== 'ahead')).toEqual([]);
              outcomes.push(...made.filter((outcome) => outcome.ok));
              left = left.filter((_, i) => !made[i]!.ok);
            }
          }
          return outcomes;
        };
        const saved = (await Promise.all([saver(nodes[0]!, 7), saver(nodes[1]!, 5)])).flat();
        expect(saved.filter((outcome) => outcome.ok && outcome.op === 'save' && !outcome.dup)).toHaveLength(120);
      });
      expect((await store.messages('c1', { after: 0, limit: 200 })).map(({ seq, mid }) => `${seq} ${mid}`)).toEqual(
        range(120).map((i) => `${i} m${i}`),
      );
      expect((await store.changes('c1', { after: 0, limit: 200 })).map(({ rev }) => rev)).toEqual(range(120));
    },

    async 'a saver of an epoch that is settled at that moment saves before it, or nothing'(store) {
      await group(store);
      await withNodes(store, async (nodes) => {
        let head = 0;
        let rev = 0;
        for (const epoch of range(15)) {
          await beginEpoch(store, epoch);
          await all(store, open('c1', epoch));
          const sends = range(4).map((i) => send('c1', `e${epoch}-${i}`, 'ann'));
          const saves = sends.map((command, i) => save(command, epoch, head + 1 + i, { rev: rev + 1 + i }));
          const [saved, settled] = await Promise.all([nodes[1]!.commit(saves), one(nodes[0]!, settle('c1', epoch, head + 4))]);
          const lost = settled.ok && settled.op === 'settle' && settled.entries.length > 0;
          // One statement takes all four, or it comes too late for all.
          for (const outcome of saved) expect(outcome.ok ? 'saved' : outcome.code).toBe(lost ? 'over' : 'saved');
          expect(await store.heads('ann', ['c1'])).toMatchObject([{ head: head + 4, epoch: 0 }]);
          [head, rev] = [head + 4, (await store.conversation('c1'))!.rev];
        }
        expect((await store.messages('c1', { after: 0, limit: 1_000 })).map(({ seq }) => seq)).toEqual(range(head));
        expect((await store.changes('c1', { after: 0, limit: 1_000 })).map((entry) => entry.rev)).toEqual(range(rev));
      });
    },

    async 'a settlement of all that is reserved takes every number that a saver was told it may give'(store) {
      await group(store);
      await withNodes(store, async (nodes) => {
        for (const epoch of range(15)) {
          const before = (await store.conversation('c1'))!;
          await beginEpoch(store, epoch);
          await all(store, open('c1', epoch, { window: 1 }));
          const reserved: number[] = [];
          const saving = (async () => {
            for (let i = 1; ; i++) {
              const place = { rev: before.rev + i, window: 1 + (i % 3) };
              const saved = await one(nodes[1]!, save(send('c1', `e${epoch}-${i}`, 'ann'), epoch, before.head + i, place));
              if (!saved.ok) return expect(saved.code).toBe('over');
              if (saved.op === 'save') reserved.push(saved.reserved);
            }
          })();
          // Some epochs are settled at once, some after a few saves.
          for (let asked = 0; asked < epoch % 4; asked++) await nodes[0]!.revs(['c1']);
          await all(nodes[0]!, settle('c1', epoch, 'reserved'));
          await saving;
          const { head } = (await store.conversation('c1'))!;
          expect(head).toBe(Math.max(before.head + 1, ...reserved));
        }
      });
    },
  };
}
