/** What can be wrong with a history, and which promise it breaks (docs/operating/load.md). */
export const ANOMALIES = {
  'lost-write': 'a message that was acknowledged as saved is not in the final history',
  'silent-loss': 'a message that was acknowledged as accepted is lost, and its sender was not told',
  'loss-without-cause': 'a message is lost that was acknowledged as accepted by a node whose loss nothing explains',
  'shown-as-saved': 'a message that was shown as saved is lost',
  'shown-again': 'a device was shown a message under another number before it was told that the first one is lost',
  'conflicting-seq': 'one seq was seen as two messages',
  'conflicting-ack': 'acknowledgements of one message, or its ack and the history, name different seqs',
  'twice-saved': 'one mid stands under two seqs',
  'aborted-read': 'a message that was refused was received',
  invented: 'a message was received that its author never sent',
  altered: 'a message was received with another body than was sent',
  phantom: 'a message was received that the final history does not have',
  'unsaved-history': 'the final history has a message that is only accepted',
  hole: 'the final history does not hold every seq from 1 to its head',
  gap: 'a connection missed a seq between joining and its newest message',
  duplicate: 'a connection received a seq twice',
  reorder: 'a connection received a seq after a larger one',
  uninvited: 'a connection received a message of a conversation that it had not joined',
  unobserved: 'a connection that was open to the end never got the newest messages',
  'head-regressed': 'a device was told a head below what it had seen',
  'int-nonmonotonic': 'two messages sent one after the other on one connection have seqs the other way round',
  'ext-nonmonotonic': 'a message sent after another was acknowledged has the smaller seq',
  'non-monotonic-cursor': 'a read cursor went back',
  'cursor-beyond-head': 'a read cursor points past the newest message',
} as const;

export type AnomalyName = keyof typeof ANOMALIES;

export interface AnomalyCount {
  readonly name: AnomalyName;
  readonly what: string;
  readonly count: number;
  /** The first few. */
  readonly examples: readonly string[];
}

const EXAMPLES_MAX = 5;

/** Counts all, keeps the first few of each kind: a broken run has millions. */
export class AnomalyLog {
  readonly #found = new Map<AnomalyName, { count: number; examples: string[] }>();

  add(name: AnomalyName, example: string): void {
    const entry = this.#found.get(name) ?? { count: 0, examples: [] };
    if (entry.count === 0) this.#found.set(name, entry);
    entry.count++;
    if (entry.examples.length < EXAMPLES_MAX) entry.examples.push(example);
  }

  list(): AnomalyCount[] {
    return [...this.#found].map(([name, entry]) => ({ name, what: ANOMALIES[name], ...entry }));
  }
}
