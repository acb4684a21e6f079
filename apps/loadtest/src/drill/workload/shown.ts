import type { EventOf } from '../../check/event.ts';

/** One message as a user sees it, or as the final history has it. `h` is the digest of its body, as in histories. */
export type Shown = Pick<EventOf<'recv'>, 'seq' | 'mid' | 'from' | 'h' | 'lost'>;

/** What the app of one user shows of a conversation. */
export interface Screen {
  readonly user: string;
  readonly cid: string;
  readonly shown: readonly Shown[];
}

/**
 * What is wrong with what a user sees, held against the final history: from the first message on the screen to the newest, each must be there
 * once, in order, with the same content. One line at most, of the first that differs.
 */
export function misshown({ user, shown }: Pick<Screen, 'user' | 'shown'>, history: readonly Shown[]): string[] {
  const first = shown[0]?.seq ?? 1;
  const expected = history.filter(({ seq }) => seq >= first);
  const at = Array.from({ length: Math.max(shown.length, expected.length) }, (_, i) => i).find(
    (i) => nameOf(shown[i]) !== nameOf(expected[i]),
  );
  if (at === undefined) return [];
  return [`the SDK shows ${user} ${nameOf(shown[at])} in place of ${nameOf(expected[at])}`];
}

function nameOf(message: Shown | undefined): string {
  if (message === undefined) return 'nothing';
  const { seq, from, mid, h, lost } = message;
  // Whose place it holds is not said the same everywhere.
  return lost === true ? `seq ${seq}, lost` : `seq ${seq}, ${from}/${mid} ${h}`;
}
