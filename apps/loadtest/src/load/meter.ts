import type { Generator } from './generator.ts';
import type { Second } from './result.ts';
import type { ServerProbe } from './server-probe.ts';
import { createCounts } from './stats.ts';
import { Window } from './window.ts';

const TICK_MS = 1_000;

/** Looks once a second at the workers and at the server. */
export class Meter {
  readonly seconds: Second[] = [];
  readonly #workers: readonly Generator[];
  readonly #probe: ServerProbe;
  readonly #onSecond: ((second: Second) => void) | undefined;
  readonly #timer: NodeJS.Timeout;
  #before = createCounts();
  #cpuBefore: number[];
  #ticking: Promise<void> | undefined;
  #sampledAt = performance.now();

  constructor(workers: readonly Generator[], probe: ServerProbe, onSecond?: (second: Second) => void) {
    this.#workers = workers;
    this.#probe = probe;
    this.#onSecond = onSecond;
    this.#cpuBefore = workers.map(({ cpuUs }) => cpuUs);
    this.#timer = setInterval(() => (this.#ticking ??= this.#tick().finally(() => (this.#ticking = undefined))), TICK_MS);
  }

  /** Looks at the server once more, so that what came last is between two looks. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#ticking;
    await this.#probe.sample();
  }

  async #tick(): Promise<void> {
    const sample = await this.#probe.sample();
    const second = { second: this.seconds.length + 1, ...this.#counted(), ...this.#latencies(), ...sample };
    this.seconds.push(second);
    this.#onSecond?.(second);
  }

  #counted() {
    const now = createCounts();
    for (const { counts } of this.#workers) for (const name of ['sent', 'saved', 'received'] as const) now[name] += counts[name];
    const { sent, saved, received } = this.#before;
    this.#before = now;
    return { sent: now.sent - sent, saved: now.saved - saved, received: now.received - received, generatorCpuPct: this.#generatorCpu() };
  }

  /** Of the busiest thread. */
  #generatorCpu(): number {
    const at = performance.now();
    const used = this.#workers.map(({ cpuUs }, i) => (this.#cpuBefore[i] === 0 ? 0 : cpuUs - this.#cpuBefore[i]!));
    const pct = Math.max(0, ...used) / 10 / (at - this.#sampledAt);
    this.#sampledAt = at;
    this.#cpuBefore = this.#workers.map(({ cpuUs }) => cpuUs);
    return pct;
  }

  #latencies(): Pick<Second, 'e2eP50Ms' | 'e2eP99Ms' | 'savedP50Ms' | 'savedP99Ms'> {
    const all = new Window();
    for (const { window } of this.#workers) {
      const { e2e, saved } = window.take();
      all.e2e.add(e2e);
      all.saved.add(saved);
    }
    const ms = (name: 'e2e' | 'saved', percent: number) => all[name].percentile(percent) / 1_000;
    return {
      ...(all.e2e.count > 0 ? { e2eP50Ms: ms('e2e', 50), e2eP99Ms: ms('e2e', 99) } : {}),
      ...(all.saved.count > 0 ? { savedP50Ms: ms('saved', 50), savedP99Ms: ms('saved', 99) } : {}),
    };
  }
}
