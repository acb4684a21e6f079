import type { AcceptLog, Command, Outcome } from '@gapless/core';
import { ChatError } from '@gapless/core';
import { afterEach, beforeEach } from 'vitest';
import { World } from './world.ts';

/** Of the test that runs: `useWorld` makes it. */
export let world: World;

export function useWorld(): void {
  beforeEach(() => {
    world = new World();
    // A saver that claims the same again and again must not take all the time of the test.
    connectWith((log) => ({
      async reclaim(...args) {
        await new Promise((resolve) => setImmediate(resolve));
        return log.reclaim(...args);
      },
    }));
  });

  afterEach(async () => {
    world.storeAway = false;
    for (const node of world.nodes) Object.assign(node.cut, { store: false, deaf: false, clockMs: 0 });
    await world.close();
  });
}

export async function started(options?: Parameters<World['node']>[1]) {
  const node = world.node(undefined, options);
  await world.until(() => node.road.epochs.accepting !== undefined);
  return node;
}

/** Commits for which it is true wait until they are let go; they are carried out then, or `dropped`. */
export function late(isLate: (batch: readonly Command[]) => boolean, { dropped = false } = {}) {
  const { store } = world;
  const { commit } = store;
  const hold = Promise.withResolvers<void>();
  let count = 0;
  store.commit = async (batch) => {
    if (isLate(batch)) {
      count++;
      await hold.promise;
      if (dropped) throw new ChatError('store_unavailable');
    }
    return commit.call(store, batch);
  };
  return {
    get count() {
      return count;
    },
    end() {
      store.commit = commit;
      hold.resolve();
    },
  };
}

/** Saves are refused until it ends; all else goes on. */
export function refusedSaves() {
  const { store } = world;
  const { commit } = store;
  store.commit = async (batch) => {
    if (has('save')(batch)) throw new ChatError('store_unavailable');
    return commit.call(store, batch);
  };
  return { end: () => void (store.commit = commit) };
}

export const has = (op: Command['op']) => (batch: readonly Command[]) => batch.some((command) => command.op === op);

/** Log of the nodes that are made from here on, with some of its calls otherwise. */
export function connectWith(change: (log: AcceptLog) => Partial<AcceptLog>) {
  const connect = world.log.connect.bind(world.log);
  world.log.connect = () => {
    const log = connect();
    const changed = change(log);
    return new Proxy(log, {
      get(target, name) {
        const own = Reflect.get(changed, name);
        if (own !== undefined) return own;
        const value = Reflect.get(target, name, target);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
  };
}

export function numbersOf(outcome: Outcome) {
  return outcome.ok && outcome.op === 'send' ? outcome.seq : outcome;
}

export async function lostSeqs(cid: string) {
  const changes = await world.store.changes(cid, { after: 0, limit: 10_000 });
  return changes.flatMap((entry) => (entry.op === 'change' && entry.detail.op === 'lost' ? entry.detail.seqs : []));
}

/** As a client does it, with the same message. */
export async function retried<T>(task: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await task();
    } catch (error) {
      if (!(error instanceof ChatError)) throw error;
      await world.clock.sleep(100);
    }
  }
}
