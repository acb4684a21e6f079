import { ChatError, type Command, type Outcome } from '@gapless/core';
import { sqlState } from '../connection.ts';
import type { Query } from '../query.ts';
import { type ChangeCommand, commitChanges } from './changes.ts';
import { commitMessages, type MessageCommand } from './messages.ts';
import { type Kind, roundsOf } from './rounds.ts';

/** Characters in one transaction. More, on a slow disk, may take longer than a statement is given, and would again each time. */
const CHARS_MAX = 4_000_000;

/** What a row takes beside its text, indexes included. A user who is added has some rows. */
const ROW_CHARS = 1_000;

/** Commits a batch, mostly in one transaction; see `roundsOf`. */
export async function commit(query: Query, batch: readonly Command[]): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  for (const { kind, places } of roundsOf(batch)) {
    for (const part of partsOf(batch, places)) {
      const made = await commitPart(
        query,
        kind,
        part.map((place) => batch[place]!),
      );
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
    default:
      return ROW_CHARS;
  }
}

/** One transaction. Where Postgres refuses the data of a command, the others are committed without it, in ever smaller ones. */
async function commitPart(query: Query, kind: Kind, commands: readonly Command[]): Promise<Outcome[]> {
  try {
    return kind === 'messages'
      ? await commitMessages(query, commands as readonly MessageCommand[])
      : await commitChanges(query, commands as readonly ChangeCommand[]);
  } catch (error) {
    if (!isRefusedData(error)) throw error;
    if (commands.length === 1) return [{ ok: false, code: 'bad_frame', say: 'This cannot be stored.' }];
    const half = Math.ceil(commands.length / 2);
    const first = await commitPart(query, kind, commands.slice(0, half));
    return [...first, ...(await commitPart(query, kind, commands.slice(half)))];
  }
}

/** Data exceptions, violated constraints, exceeded limits: a number or an id that is too large. The transaction left nothing. */
function isRefusedData(error: unknown): boolean {
  const code = error instanceof ChatError ? sqlState(error.cause) : undefined;
  return code !== undefined && ['22', '23', '54'].includes(code.slice(0, 2));
}
