import type { Command, LogEntry, Outcome, SaveCommand, SendCommand } from '@gapless/core';
import { entryOf, lostMessage, messageOf, settledEntries } from '../../entries.ts';
import { extraOf } from '../../rows.ts';
import type { Query } from '../query.ts';
import { numbers, stored, textList, texts, toNumbers } from '../text.ts';
import { byBytes, hasRepeats } from './messages.ts';

export type AcceptCommand = Command & { op: 'open' | 'save' | 'close' | 'settle' };

/** As commit_saves of 0004_accept.sql takes them. */
const ARRAYS = [
  textList(1),
  ...['$2::int[]', textList(3), '$4::bigint[]', '$5::bigint[]', '$6::bigint[]', '$7::bigint[]'],
  ...[textList(8), textList(9), '$10::bigint[]', textList(11), textList(12), textList(13), textList(14)],
].join(', ');

const SAVE = `SELECT commit_saves(${ARRAYS}) AS reserved`;

/** What commit_accept of 0004_accept.sql says of one command. */
interface Accept {
  code?: 'not_participant' | 'over' | 'ahead' | 'twice';
  /** Of `twice`: its number was kept only now. */
  kept?: true;
  before: number;
  dup: boolean;
  head: number;
  rev: number;
  membersRev: number;
  reserved: number;
  /** Of `settle`, as `lost`. */
  upTo: number;
  /** Absent: it was not open. */
  lost?: number[];
}

/** What the accept log brings, in one transaction: saves together where each is simply the next message, else one after the other. */
export async function commitAccept(query: Query, commands: readonly AcceptCommand[]): Promise<Outcome[]> {
  const saves = commands.filter((command) => command.op === 'save');
  const together = saves.length === commands.length && !hasRepeats(saves.map(({ send }) => send));
  return (together ? await saveTogether(query, saves) : undefined) ?? (await commitSingly(query, commands));
}

/** Undefined: nothing was done, they have to be looked at one by one. */
async function saveTogether(query: Query, saves: readonly SaveCommand[]): Promise<Outcome[] | undefined> {
  const cids = [...new Set(saves.map(({ cid }) => cid))].sort(byBytes);
  const places = new Map(cids.map((cid, i) => [cid, i]));
  const sends = saves.map(({ send }) => send);
  const [row] = await query<{ reserved: string | null }>(SAVE, [
    texts(cids),
    numbers(saves.map(({ cid }) => places.get(cid)! + 1)),
    texts(saves.map(({ cid }) => cid)),
    ...[saves.map(({ epoch }) => epoch), saves.map(({ seq }) => seq), saves.map(({ rev }) => rev)].map(numbers),
    numbers(saves.map(({ window }) => window)),
    texts(sends.map(({ mid }) => mid)),
    texts(sends.map(({ from }) => from)),
    numbers(sends.map(({ at }) => at)),
    texts(sends.map(({ kind }) => kind)),
    texts(sends.map(({ body }) => body)),
    texts(sends.map(extraOf)),
    texts(sends.map(({ digest }) => digest)),
  ]);
  if (row!.reserved === null) return undefined;
  const reserves = toNumbers(row!.reserved);
  return saves.map(({ cid, seq, rev, window, send }) => {
    const place = places.get(cid)!;
    const reserved = Math.max(reserves[place]!, seq + window);
    reserves[place] = reserved;
    return { ok: true, op: 'save', dup: false, reserved, entry: entryOf(messageOf(send, seq, rev)) };
  });
}

async function commitSingly(query: Query, commands: readonly AcceptCommand[]): Promise<Outcome[]> {
  const [row] = await query<{ outcomes: string }>('SELECT commit_accept($1::text::jsonb)::text AS outcomes', [
    JSON.stringify(commands.map(toJson)),
  ]);
  const outcomes = JSON.parse(row!.outcomes) as Accept[];
  return commands.map((command, i) => toOutcome(command, outcomes[i]!));
}

function toJson(command: AcceptCommand): object {
  const cid = stored(command.cid);
  switch (command.op) {
    case 'open':
    case 'close':
      return { ...command, cid };
    case 'save':
      return { ...command, cid, send: sendToJson(command.send) };
    case 'settle':
      return { ...command, cid, messages: Object.fromEntries(command.messages.map(({ seq, send }) => [seq, sendToJson(send)])) };
  }
}

function sendToJson(send: SendCommand): object {
  const { mid, from, at, kind, body, digest } = send;
  const extra = extraOf(send);
  return {
    ...{ mid: stored(mid), from: stored(from), at, kind: stored(kind), body: stored(body), digest: stored(digest) },
    ...(extra === undefined ? {} : { extra: stored(extra) }),
  };
}

function toOutcome(command: AcceptCommand, made: Accept): Outcome {
  if (made.code === 'twice') return { ok: false, code: 'twice', ...(made.kept ? { entries: [lostInstead(command as SaveCommand)] } : {}) };
  if (made.code !== undefined) return { ok: false, code: made.code };
  const { before, dup, head, rev, membersRev, reserved, upTo, lost } = made;
  switch (command.op) {
    case 'open':
      return { ok: true, op: 'open', before, head, rev, membersRev, reserved };
    case 'save': {
      const entry = dup ? {} : { entry: entryOf(messageOf(command.send, command.seq, command.rev)) };
      return { ok: true, op: 'save', dup, reserved, ...entry };
    }
    case 'close':
      return { ok: true, op: 'close' };
    case 'settle':
      return { ok: true, op: 'settle', entries: lost === undefined ? [] : settledEntries(command, { head, rev, upTo, lost }) };
  }
}

function lostInstead({ cid, seq, rev, send }: SaveCommand): LogEntry {
  return entryOf(lostMessage({ cid, seq, rev, at: send.at }));
}
