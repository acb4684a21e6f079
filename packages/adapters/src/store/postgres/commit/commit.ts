import { ChatError, type Command, type Outcome } from '@gapless/core';
import { sqlState } from '../connection.ts';
import type { Query } from '../query.ts';
import { type AcceptCommand, commitAccept } from './accept.ts';
import { type ChangeCommand, commitChanges } from './changes.ts';
import { commitMessages, type MessageCommand, type MessageOptions } from './messages.ts';
import { type Kind, roundsOf } from './rounds.ts';

/** Characters in one transaction. More, on a slow disk, may take longer than a statement is given, and would again each time. */
const CHARS_MAX = 4_000_000;

/** What a row takes beside its text, indexes included. A user who is added has some rows. */
const ROW_CHARS = 1_000;

/** Commits a batch, mostly in one transaction; see `roundsOf`. */
export async function commit(query: Query, batch: readonly Command[], options: MessageOptions): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  for (const { kind, places } of roundsOf(batch)) {
    for (const part of partsOf(batch, places)) {
      const commands = part.map((place) => batch[place]!);
      const made = await commitPart((some) => commitKind(query, kind, some, options), commands);
      for (const [i, place] of part.entries()) outcomes[place] = made[i]!;
    }
  }
  return outcomes;
}

function partsOf(batch: readonly Command[], places: readonly number[]): number[][] {
  const parts: number[][] = [[]];
  let chars = 0;
  for (const place of places) {
    const own = charsOf(batch[place]!);
    if (chars > 0 && chars + own > CHARS_MAX) {
      parts.push([]);
      chars = 0;
    }
    parts.at(-1)!.push(place);
    chars += own;
  }
  return parts;
}

function charsOf(command: Command): number {
  switch (command.op) {
    case 'send':
      return ROW_CHARS + command.body.length;
    case 'create':
      return ROW_CHARS * (1 + command.participants.length);
    case 'add':
      return ROW_CHARS * (1 + command.users.length);
    case 'save':
      return charsOf(command.send);
    case 'settle':
      return command.messages.reduce((sum, { send }) => sum + charsOf(send), ROW_CHARS);
    default:
      return ROW_CHARS;
  }
}

/** One transaction. Where Postgres refuses the data of a command, the others are committed without it, in ever smaller ones. */
async function commitPart(make: (some: readonly Command[]) => Promise<Outcome[]>, commands: readonly Command[]): Promise<Outcome[]> {
  try {
    return await make(commands);
  } catch (error) {
    if (!isRefusedData(error)) throw error;
    if (commands.length === 1) return [{ ok: false, code: 'bad_frame', say: 'This cannot be stored.' }];
    const half = Math.ceil(commands.length / 2);
    const first = await commitPart(make, commands.slice(0, half));
    return [...first, ...(await commitPart(make, commands.slice(half)))];
  }
}

function commitKind(query: Query, kind: Kind, commands: readonly Command[], options: MessageOptions): Promise<Outcome[]> {
  switch (kind) {
    case 'messages':
      return commitMessages(query, commands as readonly MessageCommand[], options);
    case 'changes':
      return commitChanges(query, commands as readonly ChangeCommand[]);
    case 'accept':
      return commitAccept(query, commands as readonly AcceptCommand[]);
  }
}

/** Data exceptions, violated constraints, exceeded limits: a number or an id that is too large. The transaction left nothing. */
function isRefusedData(error: unknown): boolean {
  const code = error instanceof ChatError ? sqlState(error.cause) : undefined;
  return code !== undefined && ['22', '23', '54'].includes(code.slice(0, 2));
}
