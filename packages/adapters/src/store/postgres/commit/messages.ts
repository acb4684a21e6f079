import type { Command, Outcome, SendCommand } from '@gapless/core';
import { entryOf, messageOf } from '../../entries.ts';
import { extraOf } from '../../rows.ts';
import type { Query } from '../query.ts';
import { numbers, textList, texts, toNumbers } from '../text.ts';

type PositionCommand = Command & { op: 'read' | 'delivered' };
export type MessageCommand = SendCommand | PositionCommand;

/** Arrays as the functions of 0005_sends.sql take them. Casts, since Postgres does not guess the type of a parameter of a function. */
const ARRAYS = [
  textList(1),
  ...['$2::int[]', '$3::int[]', textList(4), textList(5), textList(6), '$7::bigint[]', textList(8), textList(9), textList(10)],
  ...[textList(11), '$12::bigint[]', '$13::bigint[]', textList(14), '$15::int[]'],
  ...['$16::int[]', '$17::int[]', textList(18), textList(19), textList(20), '$21::bigint[]'],
].join(', ');

/** As commit_sends takes them. */
const FEW_ARRAYS = [
  ...[1, 2, 3].map(textList),
  '$4::bigint[]',
  ...[5, 6, 7, 8].map(textList),
  ...['$9::bigint[]', '$10::bigint[]', textList(11), '$12::int[]', '$13::int[]', '$14::int[]'],
].join(', ');

const COMMIT = `SELECT * FROM commit_batch(${ARRAYS})`;
const COMMIT_FEW = `SELECT *, NULL AS places, NULL AS moved FROM commit_sends(${FEW_ARRAYS})`;
const COMMIT_SINGLY = `SELECT * FROM commit_batch_singly(${ARRAYS})`;

/** Sends that cost less one by one than together: a third less for one, nothing for eight (18.4, on an otherwise busy machine). */
const FEW_MAX = 4;

interface Answer {
  codes: string | null;
  seqs: string | null;
  revs: string | null;
  times: string | null;
  places: string | null;
  moved: string | null;
  ensure_ms: number | null;
}

export interface MessageOptions {
  /** How long the members of the sends with `ensureMembers` took, of each transaction that has such ones; positions in it included. */
  readonly onEnsureMembers: (ms: number) => void;
}

/** Sends and positions, in one transaction. */
export async function commitMessages(
  query: Query,
  commands: readonly MessageCommand[],
  { onEnsureMembers }: MessageOptions,
): Promise<Outcome[]> {
  const isFew = commands.length <= FEW_MAX && commands.every((command) => command.op === 'send');
  const { outcomes, ensureMs } = isFew ? await commitFew(query, commands) : await commitMany(query, commands);
  if (ensureMs !== null) onEnsureMembers(ensureMs);
  return outcomes;
}

interface Committed {
  readonly outcomes: Outcome[];
  readonly ensureMs: number | null;
}

async function commitFew(query: Query, sends: readonly SendCommand[]): Promise<Committed> {
  const byCid = sends.map((_, i) => i).sort((a, b) => byBytes(sends[a]!.cid, sends[b]!.cid) || a - b);
  const byUser = byCid
    .filter((i) => sends[i]!.ensureMembers)
    .sort((a, b) => byBytes(sends[a]!.cid, sends[b]!.cid) || byBytes(sends[a]!.from, sends[b]!.from));
  const [answer] = await query<Answer>(COMMIT_FEW, [
    texts(sends.map(({ cid }) => cid)),
    ...columnsOf(sends),
    numbers(byCid.map((i) => i + 1)),
    numbers(byUser.map((i) => i + 1)),
  ]);
  return { outcomes: sendOutcomes(sends, answer!), ensureMs: answer!.ensure_ms };
}

async function commitMany(query: Query, commands: readonly MessageCommand[]): Promise<Committed> {
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
  return { outcomes, ensureMs: answer!.ensure_ms };
}

/** What the functions take of each send, from `s_mid` to `s_ensure`. */
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
    numbers(sends.map(({ ensureMembers }) => (ensureMembers ? 1 : 0))),
  ];
}

/** The newest seq that it points to. */
function refOf({ replyTo = 0, threadRoot = 0 }: SendCommand): number {
  return Math.max(replyTo, threadRoot);
}

/** Order of COLLATE "C", in which all nodes lock. */
export function byBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

/** Whether a mid of a conversation is there twice. */
export function hasRepeats(sends: readonly SendCommand[]): boolean {
  return new Set(sends.map(({ cid, mid }) => `${cid} ${mid}`)).size < sends.length;
}

function sendOutcomes(sends: readonly SendCommand[], answer: Answer): Outcome[] {
  const [codes, seqs, revs, times] = [answer.codes, answer.seqs, answer.revs, answer.times].map(toNumbers);
  return sends.map((command, i): Outcome => {
    const [seq, rev] = [seqs![i]!, revs![i]!];
    switch (codes![i]) {
      case 0:
        return { ok: true, op: 'send', seq, rev, at: command.at, dup: false, entry: entryOf(messageOf(command, seq, rev)) };
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
      case 6:
        return { ok: false, code: 'accepting' };
      default:
        return { ok: false, code: 'not_participant' };
    }
  });
}

function positionOutcomes(positions: readonly PositionCommand[], answer: Answer): Outcome[] {
  const [places, moved] = [toNumbers(answer.places), toNumbers(answer.moved)];
  return positions.map(({ op }, i): Outcome => {
    const pos = places[i]!;
    return pos < 0 ? { ok: false, code: 'not_participant' } : { ok: true, op, pos, advanced: moved[i] === 1 };
  });
}
