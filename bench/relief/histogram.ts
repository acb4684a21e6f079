/** What a Prometheus histogram counted from one scrape to another. */
export class HistogramSpan {
  /** Upper ends in seconds, ascending, with the counts up to there. */
  readonly #buckets: { readonly le: number; readonly count: number }[];

  constructor(name: string, before: Readonly<Record<string, number>>, after: Readonly<Record<string, number>>) {
    const start = `${name}_bucket{le="`;
    this.#buckets = Object.keys(after)
      .filter((key) => key.startsWith(start))
      .map((key) => ({ le: Number(key.slice(start.length, -2).replace('+Inf', 'Infinity')), count: after[key]! - (before[key] ?? 0) }))
      .sort((a, b) => a.le - b.le);
  }

  get count(): number {
    return this.#buckets.at(-1)?.count ?? 0;
  }

  /** In milliseconds, interpolated inside a bucket, as Prometheus does; 0 where nothing was counted. */
  percentileMs(percent: number): number {
    const rank = (percent / 100) * this.count;
    const at = this.#buckets.findIndex(({ count }) => count >= rank);
    if (this.count === 0 || at === -1) return 0;
    const { le, count } = this.#buckets[at]!;
    const below = at === 0 ? { le: 0, count: 0 } : this.#buckets[at - 1]!;
    if (le === Number.POSITIVE_INFINITY) return below.le * 1_000;
    return (below.le + (le - below.le) * (count === below.count ? 1 : (rank - below.count) / (count - below.count))) * 1_000;
  }
}
