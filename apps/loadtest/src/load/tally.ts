import type { Receiver } from './receiver.ts';

/** What all together should have received, and did; how many did not have the last. */
export interface Delivered {
  readonly expected: number;
  readonly delivered: number;
  readonly behind: number;
}

interface Heard {
  /** Of its conversation, at the end. */
  readonly head: number;
  readonly receiver: Pick<Receiver, 'from' | 'has'> & { readonly tracker: { readonly received: number } | undefined };
}

/** Who never joined should have had everything. What one got beyond its share makes up for nobody's loss. */
export function tallyOf(clients: readonly Heard[]): Delivered {
  let [expected, delivered, behind] = [0, 0, 0];
  for (const { head, receiver } of clients) {
    const own = Math.max(0, head - receiver.from);
    expected += own;
    delivered += Math.min(own, receiver.tracker?.received ?? 0);
    if (!receiver.has(head)) behind++;
  }
  return { expected, delivered, behind };
}
