import type { AcceptLog, AcceptOutcome, AcceptRequest, FirstOutcome, Opening, OpeningTicket, SendCommand, ShardEntry } from '@gapless/core';
import { expect } from 'vitest';
import { send, T0 } from './commands.ts';

// Requests as short as a story needs them. The epoch is 1 unless a story has several.

export const EPOCH = 1;
/** Whoever is not told otherwise asks from here. */
export const NODE = 'n1';

const CROCKFORD = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';

/** ULIDs that sort as their numbers do. */
export function ulidOf(n: number): string {
  let text = '';
  for (let rest = n; text.length < 16; rest = Math.floor(rest / 32)) text = CROCKFORD[rest % 32] + text;
  return `01HV000000${text}`;
}

/** Before all of `ulidOf`. */
export const KNOWN_FROM = '01HV0000000000000000000000';

export function ask(
  cid: string,
  mid: string,
  rest: Partial<SendCommand> & { text?: string; looked?: boolean; node?: string } = {},
): AcceptRequest {
  const { looked = false, node = NODE, ...fields } = rest;
  return { node, send: send(cid, mid, 'ann', fields), looked };
}

export async function acceptOne(log: AcceptLog, request: AcceptRequest, epoch = EPOCH): Promise<AcceptOutcome> {
  const outcomes = await log.accept(epoch, [request]);
  expect(outcomes).toHaveLength(1);
  return outcomes[0]!;
}

/** Accepts the ulids of these numbers, which were looked up and are new, and gives their seqs. */
export async function acceptAll(log: AcceptLog, cid: string, numbers: readonly number[]): Promise<number[]> {
  const outcomes = await log.accept(
    EPOCH,
    numbers.map((n) => ask(cid, ulidOf(n), { looked: true })),
  );
  expect(outcomes.filter((outcome) => !outcome.ok || outcome.dup)).toEqual([]);
  return outcomes.map((outcome) => (outcome.ok ? outcome.seq : 0));
}

/** Which opening it is, its ticket says. */
export function opening(cid: string, rest: Partial<Opening> = {}): Opening {
  return { cid, opening: 0, head: 0, rev: 0, membersRev: 0, reserved: 10_000, knownFrom: KNOWN_FROM, mids: [], ...rest };
}

/** Begins to open it, which nobody else does. */
export async function ticketFor(log: AcceptLog, cid: string, epoch = EPOCH): Promise<OpeningTicket> {
  const ticket = await log.intend(epoch, cid);
  if (typeof ticket === 'string') return expect.unreachable(`${cid}: ${ticket}`);
  return ticket;
}

export async function openOne(log: AcceptLog, of: Opening, epoch = EPOCH): Promise<void> {
  const { opening } = await ticketFor(log, of.cid, epoch);
  expect(await log.open(epoch, { ...of, opening })).toBe(true);
}

export async function openAll(log: AcceptLog, ...openings: readonly Opening[]): Promise<void> {
  for (const each of openings) await openOne(log, each);
}

/** Epoch 1, with these conversations open and empty, and the node of `ask` admitted. */
export async function begun(log: AcceptLog, ...cids: readonly string[]): Promise<void> {
  await log.begin(EPOCH);
  await log.admit(EPOCH, NODE);
  await openAll(log, ...cids.map((cid) => opening(cid)));
}

export function firstOf({ mid, at, from, digest }: SendCommand, seq: number, rev = seq): FirstOutcome {
  return { mid, seq, rev, at, from, digest };
}

export function accepted(seq: number, rest: Partial<AcceptOutcome & { ok: true }> = {}): AcceptOutcome {
  return { ok: true, seq, rev: seq, at: T0, dup: false, saved: false, ...rest };
}

export function refused(code: (AcceptOutcome & { ok: false })['code']): AcceptOutcome {
  return { ok: false, code };
}

/** Everything of all shards that is there now, by shard. */
export async function everyEntry(log: AcceptLog, epoch = EPOCH): Promise<{ shard: number; entries: ShardEntry[] }[]> {
  const shards = Array.from({ length: await log.shardsOf(epoch) }, (_, shard) => shard);
  return Promise.all(shards.map(async (shard) => ({ shard, entries: await log.entries(epoch, shard, { after: '', limit: 10_000 }) })));
}

/** What is there is saved, up to the last number of each conversation. */
export async function saveAll(log: AcceptLog, reserved = 10_000): Promise<void> {
  for (const { shard, entries } of await everyEntry(log)) {
    const last = new Map(entries.map(({ accepted: { send, seq, rev } }) => [send.cid, { cid: send.cid, head: seq, rev, reserved }]));
    await log.saved(
      EPOCH,
      shard,
      entries.map(({ id }) => id),
      [...last.values()],
    );
  }
}

export const seqsOf = (entries: readonly ShardEntry[]) => entries.map(({ accepted: { seq } }) => seq);
