import { openMemoryStore } from '@gapless/adapters/store/memory';
import { type Command, type FeedRow, type LogFeed, type Store, silentLog } from '@gapless/core';
import type { Clock } from '@gapless/kit';
import { FakeClock, settled } from '@gapless/testkit';
import { expect } from 'vitest';
import type { RelayMetrics } from './metrics.ts';
import { type Consumer, Relay, type RelayOptions } from './relay.ts';

/** Commands for a store, as short as a test needs them. */
export function send(cid: string, mid: string, at = 1): Command {
  return { op: 'send', cid, mid, from: 'ann', at, kind: 'text', body: `{"text":"${mid}"}`, digest: mid };
}

export function create(cid: string, at = 1): Command {
  return { op: 'create', cid, kind: 'group', by: 'ann', at, participants: [{ uid: 'ann', role: 'owner' }], createUsers: true };
}

/** The feed of a store with one part, as one of many parts: by the number at the end of the cid. */
export function parted(store: LogFeed, parts: number): LogFeed {
  const all = () => store.feed(0, { after: 0, limit: 1_000_000 });
  const of = async (part: number, after: number) =>
    (await all()).filter(({ id, entry }) => id > after && Number(/\d+$/.exec(entry.cid)) % parts === part);
  return {
    parts,
    feed: async (part, { after, limit }) => (await of(part, after)).slice(0, limit),
    async backlog(part, { after, countMax }) {
      const rows = await of(part, after);
      return { rows: Math.min(rows.length, countMax), ...(rows[0] === undefined ? {} : { oldestAt: rows[0].at }) };
    },
    cursor: (consumer, part) => store.cursor(consumer, part),
    saveCursor: (...args) => store.saveCursor(...args),
    acquireLease: (...args) => store.acquireLease(...args),
    releaseLease: (...args) => store.releaseLease(...args),
  };
}

/** A feed that a process sees until it dies: then nothing is asked or answered any more. */
export class MortalFeed {
  readonly feed: LogFeed;
  #dead = false;
  #dieOn: keyof LogFeed | undefined;

  constructor(feed: LogFeed) {
    const call = async <K extends Exclude<keyof LogFeed, 'parts'>>(name: K, ...args: Parameters<LogFeed[K]>): Promise<never> => {
      if (this.#dieOn === name) this.#dead = true;
      if (this.#dead) return new Promise<never>(() => {});
      const method = feed[name] as (...args: unknown[]) => Promise<never>;
      const answer = await method.apply(feed, args);
      return this.#dead ? new Promise<never>(() => {}) : answer;
    };
    this.feed = {
      parts: feed.parts,
      feed: (...args) => call('feed', ...args),
      backlog: (...args) => call('backlog', ...args),
      cursor: (...args) => call('cursor', ...args),
      saveCursor: (...args) => call('saveCursor', ...args),
      acquireLease: (...args) => call('acquireLease', ...args),
      releaseLease: (...args) => call('releaseLease', ...args),
    };
  }

  get dead(): boolean {
    return this.#dead;
  }

  die(): void {
    this.#dead = true;
  }

  /** Dies instead of the next call of that name. */
  dieOn(name: keyof LogFeed): void {
    this.#dieOn = name;
  }
}

/** What came to a consumer, in order, and from which worker. */
export class Recorder {
  readonly rows: { worker: string; row: FeedRow }[] = [];
  #woken: () => void = () => {};

  consumer(worker: string, rest: Partial<Consumer> = {}): Consumer {
    return {
      name: 'bus',
      batchMax: 10,
      handle: async (rows) => {
        for (const row of rows) this.rows.push({ worker, row });
        this.#woken();
      },
      ...rest,
    };
  }

  /** rev of each row of the conversation, with repeats. */
  revs(cid: string, worker?: string): number[] {
    const own = this.rows.filter(({ row, worker: from }) => row.entry.cid === cid && (worker === undefined || worker === from));
    return own.map(({ row }) => row.entry.rev);
  }

  /** Rows without the repeats, in order of first appearance. */
  get first(): FeedRow[] {
    const seen = new Set<string>();
    const fresh = (row: FeedRow) => seen.size < seen.add(`${row.entry.cid} ${row.entry.rev}`).size;
    return this.rows.map(({ row }) => row).filter(fresh);
  }

  /** Resolves when the rows satisfy it. */
  async until(done: () => boolean): Promise<void> {
    while (!done()) await new Promise<void>((resolve) => (this.#woken = resolve));
  }

  /** Every row of the log, those of a conversation in their order by first appearance. */
  async expectAll(store: Store, cids: readonly string[]): Promise<void> {
    for (const cid of cids) {
      const { rev } = (await store.conversation(cid))!;
      const revs = this.first.filter(({ entry }) => entry.cid === cid).map(({ entry }) => entry.rev);
      expect(revs).toEqual(Array.from({ length: rev + 1 }, (_, i) => i));
    }
  }
}

export class Gauges implements RelayMetrics {
  readonly lags = new Map<string, { rows: number; seconds: number }>();
  readonly rows = new Map<string, number>();
  readonly failures = new Map<string, number>();
  readonly owned = new Map<string, number>();

  lag(consumer: string, lag: { rows: number; seconds: number }): void {
    this.lags.set(consumer, lag);
  }
  published(consumer: string, rows: number): void {
    this.rows.set(consumer, (this.rows.get(consumer) ?? 0) + rows);
  }
  failed(consumer: string): void {
    this.failures.set(consumer, (this.failures.get(consumer) ?? 0) + 1);
  }
  partsOwned(consumer: string, parts: number): void {
    this.owned.set(consumer, parts);
  }
}

/** A relay at its first waiting, with gauges and a log that remembers. */
export async function startRelay(options: Partial<RelayOptions> & { feed: LogFeed; clock: Clock; consumers: readonly Consumer[] }) {
  const said: string[] = [];
  const say = (level: string) => (_fields: object, message: string) => void said.push(`${level}: ${message}`);
  const gauges = new Gauges();
  const log = { ...silentLog, info: say('info'), warn: say('warn'), error: say('error') };
  const relay = new Relay({ holder: 'w1', log, metrics: gauges, ...options });
  relay.start();
  await settled();
  return { relay, gauges, said };
}

/** A store on a clock that the test moves, and who records what comes. */
export function world() {
  const clock = new FakeClock(1_000);
  const store = openMemoryStore({ clock });
  return { clock, store, recorder: new Recorder() };
}

/** Makes the conversations that are not there yet; each gets so many messages, one commit each. */
export async function fill(store: Store, cids: readonly string[], count: number, prefix = 'm'): Promise<void> {
  for (const cid of cids) if ((await store.conversation(cid)) === undefined) await store.commit([create(cid)]);
  for (let i = 0; i < count; i++) await store.commit(cids.map((cid) => send(cid, `${prefix}${i}`)));
}

export const cidsOf = (count: number) => Array.from({ length: count }, (_, i) => `c${i}`);
