import type { EventOf } from './event.ts';

/** What a message says of itself beside its content, as the frames and the pages of history have it. */
export interface Marked {
  readonly from: string;
  readonly kind: string;
  readonly editedAt?: number | undefined;
  readonly recalledAt?: number | undefined;
  readonly stage?: 'accepted' | undefined;
}

export function marksOf({ from, kind, editedAt, recalledAt, stage }: Marked): Pick<EventOf<'recv'>, 'changed' | 'stage' | 'lost'> {
  return {
    ...(editedAt === undefined && recalledAt === undefined ? {} : { changed: true }),
    ...(stage === undefined ? {} : { stage }),
    ...(from === 'system' && kind === 'lost' ? { lost: true } : {}),
  };
}
