/** How late the event loop of the worst node was, over a span. */
export interface LoopDelay {
  /** Of a timer of 20 ms, over all of the span. Interpolated inside a bucket of the server's histogram; its last bound stands for all above. */
  readonly loopP99Ms?: number;
  /** What a server without that histogram tells instead: p99 between two scrapes, the worst of them. */
  readonly loopScrapeP99Ms?: number;
  /** 10 ms of Node's own timer included. */
  readonly loopMaxMs?: number;
}

interface Scrape {
  readonly askedUs: number;
  readonly answeredUs: number;
  /** Observations up to each bound, since the first scrape. */
  readonly upTo: ReadonlyMap<number, number>;
  /** Since the scrape before. */
  readonly p99Ms: number;
  readonly maxMs: number;
}

const BUCKET = /^gapless_event_loop_delay_seconds_bucket\{le="([^"]+)"\} (\S+)/gm;

/** What one node told of its event loop, scrape by scrape. */
export class LoopDelays {
  readonly #scrapes: Scrape[] = [];
  #told: ReadonlyMap<number, number> = new Map();

  add({ metrics, askedUs, answeredUs }: { metrics: string; askedUs: number; answeredUs: number }): void {
    const told = new Map([...metrics.matchAll(BUCKET)].map(([, le, count]) => [le === '+Inf' ? Infinity : Number(le), Number(count)]));
    // A server that was started again counts from zero.
    const before = (told.get(Infinity) ?? 0) < (this.#told.get(Infinity) ?? 0) ? new Map() : this.#told;
    const sum = this.#scrapes.at(-1)?.upTo;
    const upTo = new Map([...told].map(([bound, count]) => [bound, (sum?.get(bound) ?? 0) + count - (before.get(bound) ?? 0)]));
    this.#told = told;
    const ms = (name: string) => Number(new RegExp(`^nodejs_eventloop_lag_${name}_seconds (\\S+)`, 'm').exec(metrics)?.[1]) * 1_000;
    this.#scrapes.push({ askedUs, answeredUs, upTo, p99Ms: ms('p99'), maxMs: ms('max') });
  }

  /** From the last scrape before the span to the first after it: all of it, and up to a second more on either side. */
  between(fromUs: number, toUs: number): LoopDelay {
    const from = Math.max(
      0,
      this.#scrapes.findLastIndex(({ answeredUs }) => answeredUs <= fromUs),
    );
    const after = this.#scrapes.findIndex(({ askedUs }) => askedUs >= toUs);
    const scrapes = this.#scrapes.slice(from, after === -1 ? undefined : after + 1);
    if (scrapes.length < 2) return {};
    const [first, last, rest] = [scrapes[0]!, scrapes.at(-1)!, scrapes.slice(1)];
    const counts = [...last.upTo].map(([bound, count]) => [bound, count - (first.upTo.get(bound) ?? 0)] as const);
    const p99 = quantile(counts, 0.99);
    const worst = (read: (scrape: Scrape) => number) => Math.max(...rest.map(read));
    return {
      ...(p99 === undefined
        ? known(
            'loopScrapeP99Ms',
            worst(({ p99Ms }) => p99Ms),
          )
        : { loopP99Ms: p99 * 1_000 }),
      ...known(
        'loopMaxMs',
        worst(({ maxMs }) => maxMs),
      ),
    };
  }
}

/** Of each figure the worst. */
export function worstOf(delays: readonly LoopDelay[]): LoopDelay {
  const worst = (name: keyof LoopDelay) => known(name, Math.max(...delays.flatMap((delay) => delay[name] ?? [])));
  return { ...worst('loopP99Ms'), ...worst('loopScrapeP99Ms'), ...worst('loopMaxMs') };
}

/** As Prometheus does it: inside its bucket, as if what fell there were spread evenly. Undefined when nothing was observed. */
export function quantile(counts: readonly (readonly [bound: number, upTo: number])[], part: number): number | undefined {
  const sorted = counts.toSorted(([a], [b]) => a - b);
  const rank = part * (sorted.at(-1)?.[1] ?? 0);
  if (rank === 0) return undefined;
  const at = sorted.findIndex(([, upTo]) => upTo >= rank);
  const [bound, upTo] = sorted[at]!;
  const [lower, below] = sorted[at - 1] ?? [0, 0];
  return bound === Infinity ? lower : lower + ((bound - lower) * (rank - below)) / (upTo - below);
}

function known<N extends keyof LoopDelay>(name: N, value: number): LoopDelay {
  return Number.isFinite(value) ? { [name]: value } : {};
}
