/** What the accept log does in this process. */
export interface TwoPhaseMetrics {
  accepted(count: number): void;
  /** `waitedMs`: since each was accepted. */
  saved(waitedMs: readonly number[]): void;
  /** Sends that the log refused, by why. */
  refused(code: string): void;
  /** Accepted messages of this node that are lost for good. */
  lost(count: number): void;
  settled(conversations: number): void;
  backlog(backlog: { entries: number; oldestMs: number }): void;
  /** A batch that could not be saved, or announced, and is tried again. */
  failed(group: 'deliver' | 'save'): void;
  shardsOwned(group: 'deliver' | 'save', count: number): void;
  /** Messages that this node accepted, or read, and that are not known to be saved. */
  unsaved(count: number): void;
  epoch(epoch: number, state: 'off' | 'open' | 'over'): void;
}
