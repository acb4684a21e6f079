/** Bounds of the relay. Times in milliseconds. */
export interface RelayLimits {
  /** How long a part stays with a worker that died. Renewed at a third, so that two lost renewals are no loss of the part. */
  readonly leaseTtlMs: number;
  /** How often a worker that holds less than its share looks for free parts. */
  readonly takeEveryMs: number;
  /** Wait after an empty read: from `pollMinMs`, doubling to `pollMaxMs`. The last one is how late a row of another process can be. */
  readonly pollMinMs: number;
  readonly pollMaxMs: number;
  /** What a worker that dies has done and not saved is done again by the next one; each save is a commit of the store. */
  readonly saveEveryMs: number;
  /** Ceiling of the wait before a failed batch is tried again: from `retryBaseMs`, doubling to `retryMaxMs`. */
  readonly retryBaseMs: number;
  readonly retryMaxMs: number;
  /** How often the lag is measured. */
  readonly lagEveryMs: number;
  /** Rows that are counted of a backlog, unless the alert is above: more than that is told as that. Counting is a read of them all. */
  readonly lagRowsMax: number;
  /** Lag that is worth a warning when it stays: rows behind in one part, or the age of the oldest. */
  readonly alertRows: number;
  readonly alertMs: number;
}

export const RELAY_LIMITS: RelayLimits = {
  leaseTtlMs: 30_000,
  takeEveryMs: 1_000,
  pollMinMs: 50,
  pollMaxMs: 1_000,
  saveEveryMs: 500,
  retryBaseMs: 100,
  retryMaxMs: 10_000,
  lagEveryMs: 5_000,
  lagRowsMax: 100_000,
  alertRows: 10_000,
  alertMs: 60_000,
};
