import { openMemoryAcceptLog } from '@gapless/adapters/accept/memory';
import { openMemoryStore } from '@gapless/adapters/store/memory';
import {
  type AcceptLog,
  acceptedReads,
  ChatError,
  type Command,
  type Committed,
  type ConversationReads,
  type Outcome,
  type SendCommand,
  type Store,
  silentLog,
  TwoPhase,
  type TwoPhaseMetrics,
  type TwoPhaseRules,
  Writer,
} from '@gapless/core';
import { type Clock, ulid } from '@gapless/kit';
import { FakeClock } from '@gapless/testkit';
import { AcceptWorkers } from '@gapless/worker';

// Nodes on one memory store and one memory accept log, without connections: what the accept log promises, apart from who asks for it.

export const RULES = { enabled: true, percent: 100, deliverBeforeSaved: true, failOpen: true };

const quiet: TwoPhaseMetrics = {
  accepted() {},
  saved() {},
  refused() {},
  lost() {},
  settled() {},
  backlog() {},
  failed() {},
  shardsOwned() {},
  unsaved() {},
  epoch() {},
};

export interface Node {
  readonly name: string;
  readonly road: TwoPhase;
  readonly reads: ConversationReads;
  readonly heard: Committed[];
  /** Cut off: its calls to the store reject, what the others tell does not arrive, its clock is so far off. */
  readonly cut: { store: boolean; deaf: boolean; clockMs: number };
  /** Ends as a process that is killed: nothing of it goes on. */
  kill(): void;
  close(): Promise<void>;
}

export class World {
  readonly clock = new FakeClock();
  readonly store: Store = openMemoryStore({ clock: this.clock });
  readonly log = openMemoryAcceptLog({ clock: this.clock, shards: 4 });
  readonly rules = { ...RULES };
  readonly nodes: Node[] = [];
  /** Commits reject while it is. */
  storeAway = false;
  /** Entries, as the metrics of some node had them last. */
  backlog = 0;
  #mids = 0;
  #epochs = 0;

  node(name = `n${this.nodes.length}`, options: { rules?: TwoPhaseRules } = {}): Node {
    const { rules = this.rules } = options;
    const cut = { store: false, deaf: false, clockMs: 0 };
    const clock = offBy(this.clock, cut);
    const life = { dead: false };
    const store = this.#storeOf(life, cut);
    const accept = guarded(this.log.connect(), life);
    const heard: Committed[] = [];
    const tell = (committed: Committed) => {
      if (life.dead) return;
      for (const node of this.nodes) {
        if (node.cut.deaf) continue;
        node.heard.push(committed);
        node.road.heard(committed);
      }
    };
    const writer = new Writer({ store, clock, onCommitted: tell });
    const common = {
      node: name,
      clock,
      log: silentLog,
      accept,
      rules,
      metrics: { ...quiet, backlog: ({ entries }: { entries: number }) => void (this.backlog = entries) },
      writer,
      random: () => (++this.#epochs * 7) / 1_000_000,
    };
    const road = new TwoPhase({ ...common, store, onTold: tell });
    const limits = { batchSize: 50, blockMs: 20, lockTtlMs: 1_000 };
    const workers = new AcceptWorkers({ ...common, epochs: road.epochs, limits, tell });
    const reads = acceptedReads({ reads: store, accept, epochs: road.epochs, unsaved: road.unsaved, clock });
    const node: Node = {
      name,
      road,
      reads,
      heard,
      cut,
      kill: () => {
        life.dead = true;
        this.nodes.splice(this.nodes.indexOf(node), 1);
      },
      async close() {
        await road.close();
        await workers.close();
        await writer.close();
      },
    };
    this.nodes.push(node);
    return node;
  }

  /** A conversation of two, `a` and `b`. */
  async conversation(cid = 'c1'): Promise<string> {
    const participants = [
      { uid: 'a', role: 'member' },
      { uid: 'b', role: 'member' },
    ] as const;
    await this.store.commit([{ op: 'create', cid, kind: 'group', by: 'a', at: this.clock.now(), participants, createUsers: true }]);
    return cid;
  }

  send(cid: string, options: Partial<SendCommand> = {}): SendCommand {
    const n = ++this.#mids;
    const at = this.clock.now();
    return { op: 'send', cid, mid: ulid(at), from: 'a', at, kind: 'text', body: `{"n":${n}}`, digest: `d${n}`, ...options };
  }

  /** Lets time pass until the promise has settled. */
  async settle<T>(promise: Promise<T>, ms = 20_000): Promise<T> {
    let done = false;
    void promise.finally(() => (done = true)).catch(() => {});
    for (let passed = 0; !done && passed < ms; passed += 50) await this.clock.advance(50);
    if (!done) throw new Error(`nothing after ${ms} ms`);
    return promise;
  }

  /** Lets time pass until it is true. */
  async until(isTrue: () => boolean | Promise<boolean>, ms = 30_000): Promise<void> {
    for (let passed = 0; passed < ms; passed += 50) {
      if (await isTrue()) return;
      await this.clock.advance(50);
    }
    throw new Error(`not true after ${ms} ms`);
  }

  append(node: Node, command: Command): Promise<Outcome> {
    return this.settle(node.road.append(command));
  }

  async sent(node: Node, command: Command): Promise<Outcome & { ok: true; op: 'send' }> {
    const outcome = await this.append(node, command);
    if (!outcome.ok || outcome.op !== 'send') throw new Error(JSON.stringify(outcome));
    return outcome;
  }

  /** Every message of the store, in order; rejects where a number is missing. */
  async history(cid: string) {
    const messages = await this.store.messages(cid, { after: 0, limit: 100_000 });
    const record = (await this.store.conversation(cid))!;
    for (const [i, { seq }] of messages.entries()) if (seq !== i + 1) throw new Error(`seq ${seq} in place of ${i + 1}`);
    if (record.head !== messages.length) throw new Error(`head ${record.head}, ${messages.length} messages`);
    const changes = await this.store.changes(cid, { after: 0, limit: 100_000 });
    for (const [i, { rev }] of changes.entries()) if (rev !== i + 1) throw new Error(`rev ${rev} in place of ${i + 1}`);
    if (record.rev !== changes.length) throw new Error(`rev ${record.rev}, ${changes.length} log rows`);
    return messages;
  }

  async close(): Promise<void> {
    await Promise.all([...this.nodes].map((node) => this.settle(node.close())));
  }

  #storeOf(life: { dead: boolean }, cut: { store: boolean }): Store {
    const whole = guarded(this.store, life);
    const world = this;
    return new Proxy(whole, {
      get(target, name, receiver) {
        const value = Reflect.get(target, name, receiver);
        if (typeof value !== 'function') return value;
        return (...args: unknown[]) =>
          world.storeAway || cut.store
            ? Promise.reject(new ChatError('store_unavailable'))
            : (value as (...a: unknown[]) => unknown).apply(target, args);
      },
    });
  }
}

/** The clock of one node: it may be off, and its timers are right. */
function offBy(clock: FakeClock, cut: { clockMs: number }): Clock {
  return {
    now: () => clock.now() + cut.clockMs,
    elapsed: () => clock.elapsed(),
    sleep: (ms, signal) => clock.sleep(ms, signal),
    every: (ms, task) => clock.every(ms, task),
    after: (ms, task) => clock.after(ms, task),
  };
}

/** Calls of a dead node go nowhere, and nothing comes back to it. */
function guarded<T extends Store | AcceptLog>(port: T, life: { dead: boolean }): T {
  return new Proxy(port, {
    get(target, name) {
      const value = Reflect.get(target, name, target);
      if (typeof value !== 'function') return value;
      return (...args: unknown[]) => {
        if (life.dead) return new Promise(() => {});
        const result = (value as (...a: unknown[]) => unknown).apply(target, args);
        if (!(result instanceof Promise)) return result;
        return new Promise((resolve, reject) => {
          result.then(
            (answer) => life.dead || resolve(answer),
            (error) => life.dead || reject(error),
          );
        });
      };
    },
  });
}
