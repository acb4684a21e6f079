import type { Committed, CommittedEntry, KnownRev, Receipt } from '../events.ts';

/** Format of what nodes tell each other. A newer node must be understood by one release before it: fields are added, never changed. */
const VERSION = 1;

/** A sign-in that took a user's only place. */
export interface Replacement {
  readonly uid: string;
  readonly device: string;
  readonly conn: string;
}

export interface Typing {
  readonly cid: string;
  readonly uid: string;
  readonly on: boolean;
}

/** Settings that were changed while running, by flag name. */
export interface SettingsChange {
  readonly changes: Readonly<Record<string, string>>;
  readonly by: string;
  /** When; epoch milliseconds. An older one does not undo a newer one. */
  readonly at: number;
}

/** Sign-ins that were ended; their tokens may be of age until then (epoch milliseconds), 0: as ours are. */
export interface Revoked {
  readonly sids: readonly string[];
  readonly until: number;
}

/** What a node tells all others. Numbered ones are asked for again when they got lost. */
export interface Announcement {
  readonly node: string;
  /** Of a numbered one its place, from 1; of others that of the last numbered one before. */
  readonly n: number;
  readonly numbered: boolean;
  readonly committed: Committed;
  readonly revoked?: Revoked;
  readonly replaced?: Replacement;
  readonly settings?: SettingsChange;
  readonly typing?: Typing;
  /** It announces nothing after this. */
  readonly leaving?: true;
}

export type Content = Partial<Pick<Announcement, 'committed' | 'revoked' | 'replaced' | 'settings' | 'typing' | 'leaving'>>;

type MessageHead = readonly [cid: string, rev: number, seq: number, from: string];
type ChangeHead = readonly [cid: string, rev: number, by: string, detail: (CommittedEntry & { op: 'change' })['detail']];

type RevPair = readonly [cid: string, rev: number];

interface Header {
  readonly v: number;
  readonly node: string;
  readonly n: number;
  readonly numbered?: true;
  readonly messages?: readonly MessageHead[];
  readonly changes?: readonly ChangeHead[];
  readonly receipts?: readonly (readonly [op: Receipt['op'], cid: string, uid: string, pos: number])[];
  readonly revs?: readonly RevPair[];
  readonly accepted?: readonly RevPair[];
  readonly saved?: readonly (readonly [cid: string, rev: number, epoch: number])[];
  readonly revoked?: Revoked;
  readonly replaced?: Replacement;
  readonly settings?: SettingsChange;
  readonly typing?: Typing;
  readonly leaving?: true;
}

const NOTHING: Committed = { entries: [], receipts: [], revs: [] };

/** Begins every payload of the node: who hears itself need not read on. */
export function payloadStart(node: string): string {
  return `{"v":${VERSION},"node":${JSON.stringify(node)},`;
}

/** A line of JSON, then a line for each entry: its frame as clients get it, copied as it is. JSON has no line breaks of its own. */
export function encodeAnnouncement(from: { node: string; n: number; numbered: boolean }, content: Content): string {
  const { committed = NOTHING, ...rest } = content;
  const { entries, receipts, revs, accepted = [], saved = [] } = committed;
  const messages = entries.filter((entry) => entry.op === 'message');
  const changes = entries.filter((entry) => entry.op === 'change');
  const header: Header = {
    v: VERSION,
    node: from.node,
    n: from.n,
    ...(from.numbered ? { numbered: true } : {}),
    ...(messages.length === 0 ? {} : { messages: messages.map(({ cid, rev, seq, from: sender }) => [cid, rev, seq, sender] as const) }),
    ...(changes.length === 0 ? {} : { changes: changes.map(({ cid, rev, by, detail }) => [cid, rev, by, detail] as const) }),
    ...(receipts.length === 0 ? {} : { receipts: receipts.map(({ op, cid, uid, pos }) => [op, cid, uid, pos] as const) }),
    ...(revs.length === 0 ? {} : { revs: revs.map(toPair) }),
    ...(accepted.length === 0 ? {} : { accepted: accepted.map(toPair) }),
    ...(saved.length === 0 ? {} : { saved: saved.map(({ cid, rev, epoch }) => [cid, rev, epoch] as const) }),
    ...rest,
  };
  return [JSON.stringify(header), ...messages.map(({ text }) => text), ...changes.map(({ text }) => text)].join('\n');
}

function toPair({ cid, rev }: KnownRev): RevPair {
  return [cid, rev];
}

function toKnown([cid, rev]: RevPair): KnownRev {
  return { cid, rev };
}

/** Undefined for what is no announcement of a version that this one understands. */
export function decodeAnnouncement(payload: string): Announcement | undefined {
  const [first = '', ...texts] = payload.split('\n');
  let header: Header;
  try {
    header = JSON.parse(first) as Header;
    if (header === null) return undefined;
  } catch {
    return undefined;
  }
  const { v, node, n, numbered = false, messages = [], changes = [], receipts = [], revs = [], accepted = [], saved = [] } = header;
  if (v !== VERSION || texts.length !== messages.length + changes.length) return undefined;
  const entries: CommittedEntry[] = [
    ...messages.map(([cid, rev, seq, from], i) => ({ op: 'message' as const, cid, rev, seq, from, text: texts[i]! })),
    ...changes.map(([cid, rev, by, detail], i) => ({ op: 'change' as const, cid, rev, by, detail, text: texts[messages.length + i]! })),
  ];
  const committed: Committed = {
    entries,
    receipts: receipts.map(([op, cid, uid, pos]) => ({ op, cid, uid, pos })),
    revs: revs.map(toKnown),
    ...(accepted.length === 0 ? {} : { accepted: accepted.map(toKnown) }),
    ...(saved.length === 0 ? {} : { saved: saved.map(([cid, rev, epoch]) => ({ cid, rev, epoch })) }),
  };
  const { revoked, replaced, settings, typing, leaving } = header;
  return {
    node,
    n,
    numbered,
    committed,
    ...(revoked === undefined ? {} : { revoked }),
    ...(replaced === undefined ? {} : { replaced }),
    ...(settings === undefined ? {} : { settings }),
    ...(typing === undefined ? {} : { typing }),
    ...(leaving === undefined ? {} : { leaving }),
  };
}

/** Cuts what was committed so that no part exceeds twice `maxBytes`, its first entry aside. */
export function* partsOf(committed: Committed, maxBytes: number): Generator<Committed> {
  let entries: CommittedEntry[] = [];
  let bytes = 0;
  for (const entry of committed.entries) {
    // A change is told twice: as it is, and as its frame.
    const size = HEAD_BYTES + Buffer.byteLength(entry.text) * (entry.op === 'message' ? 1 : 2);
    if (entries.length > 0 && bytes + size > maxBytes) {
      yield { entries, receipts: [], revs: [] };
      entries = [];
      bytes = 0;
    }
    entries.push(entry);
    bytes += size;
  }
  const { receipts, revs, accepted = [], saved = [] } = committed;
  const rest = Math.max(1, Math.floor(maxBytes / HEAD_BYTES / 4));
  for (let at = 0; at === 0 || at < Math.max(receipts.length, revs.length, accepted.length, saved.length); at += rest) {
    const of = <T>(items: readonly T[]) => items.slice(at, at + rest);
    const part = { entries, receipts: of(receipts), revs: of(revs), accepted: of(accepted), saved: of(saved) };
    if (!isNothing(part)) yield part;
    entries = [];
  }
}

/** Whether there is nothing to tell of it. */
export function isNothing({ entries, receipts, revs, accepted = [], saved = [] }: Committed): boolean {
  return entries.length + receipts.length + revs.length + accepted.length + saved.length === 0;
}

/** What a message or a receipt takes in the first line at most: two ids of 64 characters, escaped, and numbers. */
const HEAD_BYTES = 512;
