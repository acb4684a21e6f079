import type { Command } from '@gapless/core';

/** Sends and positions are committed together, and so are changes of conversations. */
export type Kind = 'messages' | 'changes';

export interface Round {
  readonly kind: Kind;
  /** Places of its commands in the batch, ascending. */
  readonly places: number[];
}

/**
 * Splits a batch into as few transactions as keep its order: commands of one conversation stay in theirs, and so do all changes, since a
 * creation makes users that the next one may name. Commands of different conversations do not see each other otherwise. Mostly one round.
 */
export function roundsOf(batch: readonly Command[]): Round[] {
  // Even rounds are of messages, odd ones of changes.
  const rounds: number[][] = [];
  const last = new Map<string, number>();
  let lastChange = 0;
  for (const [place, command] of batch.entries()) {
    const earliest = last.get(command.cid) ?? 0;
    const isMessage = kindOf(command) === 'messages';
    const round = isMessage ? earliest + (earliest % 2) : Math.max(earliest, lastChange) | 1;
    if (!isMessage) lastChange = round;
    last.set(command.cid, round);
    (rounds[round] ??= []).push(place);
  }
  return [...rounds.entries()].flatMap(([i, places]) =>
    places === undefined ? [] : [{ kind: i % 2 === 0 ? 'messages' : 'changes', places } as const],
  );
}

function kindOf({ op }: Command): Kind {
  return op === 'send' || op === 'read' || op === 'delivered' ? 'messages' : 'changes';
}
