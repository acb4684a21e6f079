import type { Command, LogEntry, Outcome, SendCommand } from '@gapless/core';
import { extraOf } from '../../rows.ts';
import type { Query } from '../query.ts';
import { numbers, textList, texts, toNumbers } from '../text.ts';

type PositionCommand = Command & { op: 'read' | 'delivered' };
export type MessageCommand = SendCommand | PositionCommand;

/** Arrays as the functions of 0002_commit.sql take them. Casts, since Postgres does not guess the type of a parameter of a function. */
const ARRAYS = [
  textList(1),
  ...['$2::int[]', '$3::int[]', textList(4), textList(5), textList(6), '$7::bigint[]', textList(8), textList(9), textList(10)],
  ...[textList(11), '$12::bigint[]', '$13::bigint[]', textList(14)],
  ...['$15::int[]', '$16::int[]', textList(17), textList(18), textList(19), '$20::bigint[]'],
].join(', ');

/** As commit_few takes them. */
const FEW_ARRAYS = [
  textList(1),
  '$2::int[]',
  textList(3),
  textList(4),
  '$5::bigint[]',
  ...[6, 7, 8, 9].map(textList),
  '$10::bigint[]',
  '$11::bigint[]',
  textList(12),
  '$13::int[]',
].join(', ');

const COMMIT = `SELECT * FROM commit_messages(${ARRAYS})`;
const COMMIT_FEW = `SELECT *, NULL AS places, NULL AS moved FROM commit_few(${FEW_ARRAYS})`;
const COMMIT_SINGLY = `SELECT * FROM commit_messages_singly(${ARRAYS})`;

/** Sends that cost less one by one than together: a third less for one, nothing for eight (18.4, on an otherwise busy machine). */
const FEW_MAX = 4;

interface Answer {
  codes: string | null;
  seqs: string | null;
  revs: string | null;
  times: string | null;
  places: string | null;
  moved: string | null;
}

/** Sends and positions, in one transaction. */
export function commitMessages(query: Query, commands: readonly MessageCommand[]): Promise<Outcome[]> {
  return commands.length <= FEW_MAX && commands.every((command) => command.op === 'send')
    ? commitFew(query, commands)
    : commitMany(query, commands);
}

async function commitFew(query: Query, sends: readonly SendCommand[]): Promise<Outcome[]> {
  const cids = [...new Set(sends.map(({ cid }) => cid))].sort(byBytes);
  const byUser = sends.map((_, i) => i).sort((a, b) => byBytes(sends[a]!.cid, sends[b]!.cid) || byBytes(sends[a]!.from, sends[b]!.from));
  const [answer] = await query<Answer>(COMMIT_FEW, [
    texts(cids),
    numbers(sends.map(({ cid }) => cids.indexOf(cid) + 1)),
    ...columnsOf(sends),
    numbers(byUser.map((i) => i + 1)),
  ]);
  return sendOutcomes(sends, answer!);
}

async function commitMany(query: Query, commands: readonly MessageCommand[]): Promise<Outcome[]> {
  const sends: SendCommand[] = [];
  const sendPlaces: number[] = [];
  const positions: PositionCommand[] = [];
  const positionPlaces: number[] = [];
  for (const [place, command] of commands.entries()) {
    if (command.op === 'send') {
      sends.push(command);
      sendPlaces.push(place);
    } else {
      positions.push(command);
      positionPlaces.push(place);
    }
  }
  const cids = [...new Set(sends.map(({ cid }) => cid))].sort(byBytes);
  const places = new Map(cids.map((cid, i) => [cid, i + 1]));
  const [answer] = await query<Answer>(hasRepeats(sends) ? COMMIT_SINGLY : COMMIT, [
    texts(cids),
    numbers(sendPlaces),
    numbers(sends.map(({ cid }) => places.get(cid)!)),
    texts(sends.map(({ cid }) => cid)),
    ...columnsOf(sends),
    numbers(positionPlaces),
    numbers(positions.map(({ cid }) => places.get(cid) ?? 0)),
    texts(positions.map(({ cid }) => cid)),
    texts(positions.map(({ uid }) => uid)),
    texts(positions.map((command) => (command.op === 'read' ? undefined : command.did))),
    numbers(positions.map(({ pos }) => pos)),
  ]);
  const outcomes: Outcome[] = [];
  for (const [i, outcome] of sendOutcomes(sends, answer!).entries()) outcomes[sendPlaces[i]!] = outcome;
  for (const [i, outcome] of positionOutcomes(positions, answer!).entries()) outcomes[positionPlaces[i]!] = outcome;
  return outcomes;
}

/** What the functions take of each send, from `s_mid` to `s_role`. */
function columnsOf(sends: readonly SendCommand[]): string[] {
  return [
    texts(sends.map(({ mid }) => mid)),
    texts(sends.map(({ from }) => from)),
    numbers(sends.map(({ at }) => at)),
    texts(sends.map(({ kind }) => kind)),
    texts(sends.map(({ body }) => body)),
    texts(sends.map(extraOf)),
    texts(sends.map(({ digest }) => digest)),
    numbers(sends.map(refOf)),
    numbers(sends.map(({ membersRev = -1 }) => membersRev)),
    texts(sends.map(({ callerRole }) => callerRole)),
  ];
}

/** The newest seq that it points to. */
function refOf({ replyTo = 0, threadRoot = 0 }: SendCommand): number {
  return Math.max(replyTo, threadRoot);
}

/** Order of COLLATE "C", in which all nodes lock. */
function byBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

/** Whether a mid of a conversation is there twice. */
function hasRepeats(sends: readonly SendCommand[]): boolean {
  return new Set(sends.map(({ cid, mid }) => `${cid} ${mid}`)).size < sends.length;
}

function sendOutcomes(sends: readonly SendCommand[], answer: Answer): Outcome[] {
  const [codes, seqs, revs, times] = [answer.codes, answer.seqs, answer.revs, answer.times].map(toNumbers);
  return sends.map((command, i): Outcome => {
    const [seq, rev] = [seqs![i]!, revs![i]!];
    switch (codes![i]) {
      case 0:
        return { ok: true, op: 'send', seq, rev, at: command.at, dup: false, entry: entryOf(command, seq, rev) };
      case 1:
        return { ok: true, op: 'send', seq, rev, at: times![i]!, dup: true };
      case 2:
        return { ok: false, code: 'mid_conflict' };
      case 3:
        return {
          ok: false,
          code: 'bad_frame',
          say: `${(command.replyTo ?? 0) >= seq ? 'replyTo' : 'threadRoot'}: there is no such message`,
        };
      case 5:
        return { ok: false, code: 'stale' };
      default:
        return { ok: false, code: 'not_participant' };
    }
  });
}

function entryOf(command: SendCommand, seq: number, rev: number): LogEntry {
  const { op: _op, digest: _digest, membersRev: _membersRev, callerRole: _callerRole, ...message } = command;
  return { op: 'message', cid: message.cid, rev, message: { ...message, seq, rev } };
}

function positionOutcomes(positions: readonly PositionCommand[], answer: Answer): Outcome[] {
  const [places, moved] = [toNumbers(answer.places), toNumbers(answer.moved)];
  return positions.map(({ op }, i): Outcome => {
    const pos = places[i]!;
    return pos < 0 ? { ok: false, code: 'not_participant' } : { ok: true, op, pos, advanced: moved[i] === 1 };
  });
}
