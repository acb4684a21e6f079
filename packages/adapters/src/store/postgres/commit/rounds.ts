import type { Command } from '@gapless/core';

/** Sends and positions are committed together, and so are changes of conversations, and what the accept log brings. */
const KINDS = ['messages', 'changes', 'accept'] as const;
export type Kind = (typeof KINDS)[number];

const OF_OP: Readonly<Record<Command['op'], Kind>> = {
  send: 'messages',
  read: 'messages',
  delivered: 'messages',
  create: 'changes',
  add: 'changes',
  remove: 'changes',
  settings: 'changes',
  open: 'accept',
  save: 'accept',
  close: 'accept',
  settle: 'accept',
};

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
  // The kinds take turns: a round's number says which one it is of.
  const rounds: number[][] = [];
  const last = new Map<string, number>();
  let lastChange = 0;
  for (const [place, command] of batch.entries()) {
    const kind = OF_OP[command.op];
    const earliest = last.get(command.cid) ?? 0;
    const round = nextOf(kind, kind === 'changes' ? Math.max(earliest, lastChange) : earliest);
    if (kind === 'changes') lastChange = round;
    last.set(command.cid, round);
    (rounds[round] ??= []).push(place);
  }
  return [...rounds.entries()].flatMap(([i, places]) => (places === undefined ? [] : [{ kind: KINDS[i % KINDS.length]!, places }]));
}

/** The first round of that kind from `earliest` on. */
function nextOf(kind: Kind, earliest: number): number {
  const turn = KINDS.indexOf(kind);
  return earliest + ((turn - (earliest % KINDS.length) + KINDS.length) % KINDS.length);
}
