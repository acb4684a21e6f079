import { type Command, type LogEntry, type MessageRecord, type Outcome, replayOf, replayOfMessages, type Store } from '@gapless/core';
import type { UpFrame } from '@gapless/protocol';
import { entryOf, messageOf } from '../../packages/adapters/src/store/entries.ts';
import type { SimAcceptLog } from './accept.ts';
import type { Network } from './network.ts';
import type { Plan } from './plan.ts';
import type { Random } from './random.ts';

/** What is other in a world. It lies in what stands around the product, never in it. */
export interface Plant {
  /** The store itself. */
  memory?(memory: Store): Store;
  /** The store as a node sees it, from beyond a network. */
  view?(view: Store, memory: Store): Store;
  network?(network: Network, random: Random): void;
  accept?(accept: SimAcceptLog): void;
  /** For faults that show only where something goes wrong at that place. */
  plan?(plan: Plan): Plan;
}

export const NO_PLANT: Plant = {};

/** A fault that is put in on purpose, to see that it is found. */
export interface PlantedFault extends Plant {
  /** A problem that this fault makes, and a run without it does not have. */
  readonly shows: RegExp;
}

export const PLANTS = {
  // One batch is under way at a time, so that the numbers are the right ones: what is not committed is all that is wrong.
  'ack-before-commit': {
    shows: /^lost-write/,
    plan: (plan) => ({ ...plan, nodes: 1, shared: false, lanes: 1, twoPhase: undefined, faults: ['commits fail', 'node killed'] }),
    view: (view, memory) => {
      let underWay: Promise<unknown> = Promise.resolve();
      return {
        ...view,
        async commit(batch) {
          await underWay;
          const outcomes = await foretold(memory, batch);
          const committed = view.commit(batch);
          if (outcomes === undefined) return committed;
          underWay = committed.catch(() => {});
          return outcomes;
        },
      };
    },
  },

  'dedupe-outside-transaction': {
    shows: /^twice-saved/,
    memory: withoutDedupe,
    view: (view) => ({
      ...view,
      async commit(batch) {
        const known = await Promise.all(batch.map((command) => (command.op === 'send' ? firstOf(view, command) : undefined)));
        const fresh = batch.filter((_, i) => known[i] === undefined);
        const outcomes = fresh.length === 0 ? [] : [...(await view.commit(fresh))];
        return batch.map((_, i) => known[i] ?? outcomes.shift()!);
      },
    }),
  },

  'position-not-kept': {
    shows: /^(gap|unobserved)/,
    network: (network) => changeJoins(network, () => undefined),
  },

  'duplicate-delivery': {
    shows: /^duplicate/,
    network: (network, random) => changeJoins(network, (rev) => (random.chance(0.5) ? Math.max(0, rev - 1) : rev)),
  },

  'read-cursor-back': { shows: /^(read forgotten|lost read|non-monotonic-cursor)/, memory: withReadsAsTheyCome },

  'reused-seq-after-redis-loss': {
    shows: /^conflicting-(seq|ack)/,
    accept: (accept) => {
      accept.hidesSetBack = true;
    },
    plan: (plan) => (plan.twoPhase === undefined ? plan : { ...plan, faults: [...plan.faults.slice(0, 2), 'accept log set back'] }),
  },
} satisfies Record<string, PlantedFault>;

export type PlantName = keyof typeof PLANTS;

/** `control`: not the fault, only the worlds that were made for it. */
export function plantOf(name: PlantName | undefined, control = false): Plant | undefined {
  return name && (control ? controlOf(name) : PLANTS[name]);
}

/** The same worlds without the fault: what goes wrong there, the fault did not do. */
export function controlOf(name: PlantName): Plant {
  const { plan }: Plant = PLANTS[name];
  return plan === undefined ? NO_PLANT : { plan };
}

/**
 * What a batch will become, if it is committed next. Undefined where that is not foreseen: with other commands in it than sends, a message
 * that comes twice, or rights that are not as they were.
 */
async function foretold(memory: Store, batch: readonly Command[]): Promise<Outcome[] | undefined> {
  const outcomes: Outcome[] = [];
  const given = new Map<string, number>();
  const mids = new Set<string>();
  for (const command of batch) {
    if (command.op !== 'send') return undefined;
    const record = await memory.conversation(command.cid);
    const { membersRev = record?.membersRev } = command;
    if (record === undefined || membersRev !== record.membersRev || mids.has(command.mid)) return undefined;
    mids.add(command.mid);
    const first = await firstOf(memory, command);
    if (first === undefined) {
      const n = (given.get(command.cid) ?? 0) + 1;
      given.set(command.cid, n);
      outcomes.push(sentAs(command, record.head + n, record.rev + n));
    } else outcomes.push(first);
  }
  return outcomes;
}

function sentAs(command: Command & { op: 'send' }, seq: number, rev: number): Outcome {
  return { ok: true, op: 'send', seq, rev, at: command.at, dup: false, entry: entryOf(messageOf(command, seq, rev)) };
}

async function firstOf(store: Store, { cid, mid }: Command & { op: 'send' }): Promise<Outcome | undefined> {
  const [first] = await store.firstOutcomes(cid, [mid]);
  return first && { ok: true, op: 'send', seq: first.seq, rev: first.rev, at: first.at, dup: true };
}

/** To the server, a resumed conversation is at another rev than its client says. */
function changeJoins(network: Network, change: (rev: number) => number | undefined): void {
  const changed = <T extends { readonly rev?: number }>({ rev, ...rest }: T) => {
    const next = rev === undefined ? undefined : change(rev);
    return next === undefined ? rest : { ...rest, rev: next };
  };
  network.up = (_line, text) => {
    const frame = JSON.parse(text) as UpFrame;
    if (frame.t === 'join') return JSON.stringify(changed(frame));
    return frame.t === 'sync' ? JSON.stringify({ ...frame, convs: frame.convs.map(changed) }) : text;
  };
}

/** Every send is a new message there: each mid gets an ending that nobody sees. */
function withoutDedupe(memory: Store): Store {
  const ALL = 1_000_000;
  let n = 0;
  const bare = <M extends { readonly mid: string }>(message: M): M => ({ ...message, mid: message.mid.split('~')[0]! });
  const bareEntry = (entry: LogEntry): LogEntry => (entry.op === 'message' ? { ...entry, message: bare(entry.message) } : entry);
  const bareOutcome = (outcome: Outcome): Outcome =>
    'entry' in outcome && outcome.entry !== undefined ? ({ ...outcome, entry: bareEntry(outcome.entry) } as Outcome) : outcome;
  const withLast = <V extends { readonly lastMessage?: MessageRecord }>(view: V): V =>
    view.lastMessage === undefined ? view : { ...view, lastMessage: bare(view.lastMessage) };
  const store: Store = {
    ...memory,
    commit: async (batch) => {
      const outcomes = await memory.commit(
        batch.map((command) => (command.op === 'send' ? { ...command, mid: `${command.mid}~${++n}` } : command)),
      );
      return outcomes.map(bareOutcome);
    },
    messages: async (cid, options) => (await memory.messages(cid, options)).map(bare),
    changes: async (cid, options) => (await memory.changes(cid, options)).map(bareEntry),
    replay: async (cid, { by, after, limit, maxBytes }) =>
      by === 'rev'
        ? replayOf(await store.changes(cid, { after, limit }), maxBytes)
        : replayOfMessages(await store.messages(cid, { after, limit }), maxBytes),
    conversationsOf: async (uid, options) => (await memory.conversationsOf(uid, options)).map(withLast),
    conversationView: async (uid, cid) => {
      const view = await memory.conversationView(uid, cid);
      return view && withLast(view);
    },
    firstOutcomes: async (cid, mids) => {
      const messages = await store.messages(cid, { after: 0, limit: ALL });
      return mids.map((mid) => {
        const first = messages.find((message) => message.mid === mid);
        return first && { mid, seq: first.seq, rev: first.rev, at: first.at, from: first.from, digest: '' };
      });
    },
  };
  return store;
}

/** A position is what was said last, larger or not. */
function withReadsAsTheyCome(memory: Store): Store {
  const reads = new Map<string, number>();
  const withRead = <R extends { readonly lastRead: number }>(row: R, cid: string, uid: string): R => {
    const pos = reads.get(`${cid} ${uid}`);
    return pos === undefined ? row : { ...row, lastRead: pos };
  };
  return {
    ...memory,
    commit: async (batch) => {
      const outcomes = await memory.commit(batch);
      return outcomes.map((outcome, i) => {
        const command = batch[i]!;
        if (command.op === 'remove') reads.delete(`${command.cid} ${command.uid}`);
        if (command.op !== 'read' || !outcome.ok || outcome.op !== 'read') return outcome;
        const pos = Math.min(command.pos, outcome.pos);
        reads.set(`${command.cid} ${command.uid}`, pos);
        return { ...outcome, pos, advanced: true };
      });
    },
    heads: async (uid, cids) => (await memory.heads(uid, cids)).map((head) => head && withRead(head, head.cid, uid)),
    participants: async (cid, options) => (await memory.participants(cid, options)).map((row) => withRead(row, cid, row.uid)),
    conversationsOf: async (uid, options) => (await memory.conversationsOf(uid, options)).map((view) => withRead(view, view.cid, uid)),
    conversationView: async (uid, cid) => {
      const view = await memory.conversationView(uid, cid);
      return view && withRead(view, cid, uid);
    },
    positions: async (cid) => (await memory.positions(cid)).map((row) => withRead(row, cid, row.uid)),
  };
}
