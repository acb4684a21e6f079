import type { Consumer, RelayDeps } from './relay.ts';

/** Measures above the threshold before it is said: a burst that is gone by then is none. */
const STAYS_MEASURES = 3;

/** How far one consumer is behind, over all parts, whoever has them: a part that nobody has is seen too. */
export class LagWatch {
  readonly #deps: RelayDeps;
  readonly #consumer: Consumer;
  readonly #place: (part: number) => number | undefined;
  #above = 0;

  constructor(deps: RelayDeps, consumer: Consumer, place: (part: number) => number | undefined) {
    this.#deps = deps;
    this.#consumer = consumer;
    this.#place = place;
  }

  async run(signal: AbortSignal): Promise<void> {
    const { clock, limits, log } = this.#deps;
    while (!signal.aborted) {
      await clock.sleep(limits.lagEveryMs, signal);
      if (signal.aborted) return;
      try {
        await this.#measure();
      } catch (error) {
        log.warn({ err: error, consumer: this.#consumer.name }, 'relay: the lag cannot be measured now');
      }
    }
  }

  async #measure(): Promise<void> {
    const { feed, clock, limits, metrics } = this.#deps;
    const { name } = this.#consumer;
    let [rows, ageMs] = [0, 0];
    for (let part = 0; part < feed.parts; part++) {
      const after = this.#place(part) ?? (await feed.cursor(name, part));
      const behind = await feed.backlog(part, { after, countMax: Math.max(limits.lagRowsMax, limits.alertRows + 1) });
      rows = Math.max(rows, behind.rows);
      if (behind.oldestAt !== undefined) ageMs = Math.max(ageMs, clock.now() - behind.oldestAt);
    }
    metrics.lag(name, { rows, seconds: ageMs / 1_000 });
    this.#judge(rows, ageMs);
  }

  #judge(rows: number, ageMs: number): void {
    const { limits, log } = this.#deps;
    const fields = { consumer: this.#consumer.name, rows, seconds: Math.round(ageMs / 1_000) };
    if (rows > limits.alertRows || ageMs > limits.alertMs) {
      if (++this.#above === STAYS_MEASURES) log.warn(fields, 'relay: the consumer is far behind the log, and stays so');
      return;
    }
    if (this.#above >= STAYS_MEASURES) log.info(fields, 'relay: the consumer has caught up');
    this.#above = 0;
  }
}
