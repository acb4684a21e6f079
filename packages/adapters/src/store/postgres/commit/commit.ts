import type { Command, Outcome } from '@gapless/core';
import type { Query } from '../query.ts';
import { type ChangeCommand, commitChanges } from './changes.ts';
import { commitMessages, type MessageCommand } from './messages.ts';
import { roundsOf } from './rounds.ts';

/** Commits a batch, mostly in one transaction; see `roundsOf`. */
export async function commit(query: Query, batch: readonly Command[]): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  for (const { kind, places } of roundsOf(batch)) {
    const commands = places.map((place) => batch[place]!);
    const made =
      kind === 'messages'
        ? await commitMessages(query, commands as MessageCommand[])
        : await commitChanges(query, commands as ChangeCommand[]);
    for (const [i, place] of places.entries()) outcomes[place] = made[i]!;
  }
  return outcomes;
}
