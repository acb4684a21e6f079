import type { Accepted, ShardEntry } from '@gapless/core';
import type { Reply } from './link.ts';

/** What the field m of an entry holds. */
export type EntryMessage = Pick<Accepted, 'node' | 'send'>;

/** Entries as XRANGE gives them; a deleted one is null. */
export function readEntries(epoch: number, reply: Reply): ShardEntry[] {
  const found = (reply ?? []) as readonly ([id: string, fields: readonly string[]] | null)[];
  return found.filter((entry) => entry !== null).map(([id, fields]) => ({ id, accepted: readAccepted(epoch, fields) }));
}

function readAccepted(epoch: number, [, seq, , rev, , message]: readonly string[]): Accepted {
  const { node, send } = JSON.parse(message!) as EntryMessage;
  return { epoch, seq: Number(seq), rev: Number(rev), node, send };
}
