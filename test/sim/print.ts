import type { RunResult } from './run-seed.ts';
import type { SeedReport } from './worker.ts';

/** Of a failed run: its last events, and each problem. */
const TRACE_LINES = 60;
const PROBLEMS_MAX = 20;
const LINE_MAX = 260;

/** What many runs come to. */
export class Summary {
  seeds = 0;
  #failed = 0;
  #simulatedMs = 0;
  #tasks = 0;
  #sent = 0;
  #received = 0;
  readonly #counts = new Map<string, number>();
  readonly #startedAt = performance.now();
  readonly #cpu = process.cpuUsage();

  add({ ok, simulatedMs, tasks, sent, received, counts }: Omit<SeedReport, 'hash' | 'problems' | 'seed'>): void {
    this.seeds++;
    if (!ok) this.#failed++;
    this.#simulatedMs += simulatedMs;
    this.#tasks += tasks;
    this.#sent += sent;
    this.#received += received;
    for (const [what, count] of counts) this.#counts.set(what, (this.#counts.get(what) ?? 0) + count);
  }

  text(): string {
    const realMs = performance.now() - this.#startedAt;
    const perSec = (this.seeds / realMs) * 1_000;
    const { user, system } = process.cpuUsage(this.#cpu);
    const perCpuSec = (this.seeds / (user + system)) * 1e6;
    const counts = [...this.#counts].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([what, count]) => `           ${what}: ${count}`);
    return [
      ...counts,
      `seeds    ${this.seeds}, ${this.#failed} failed, ${perSec.toFixed(1)} a second, ${perCpuSec.toFixed(1)} a second of one core`,
      `time     ${(this.#simulatedMs / 60_000).toFixed(1)} min simulated in ${(realMs / 1_000).toFixed(1)} s: ${(this.#simulatedMs / realMs).toFixed(0)} to 1`,
      `events   ${this.#tasks} turns of event loops, ${this.#sent} messages sent, ${this.#received} received`,
    ].join('\n');
  }
}

/** What went wrong, what happened last, and how to see it again. */
export function printFailure({ seed, problems, trace = [] }: RunResult, command: string): void {
  console.log(`\nseed ${seed}: the last ${TRACE_LINES} of ${trace.length} events`);
  for (const line of trace.slice(-TRACE_LINES)) console.log(`  ${line.slice(0, LINE_MAX)}`);
  for (const problem of problems.slice(0, PROBLEMS_MAX)) console.log(`PROBLEM  ${problem}`);
  if (problems.length > PROBLEMS_MAX) console.log(`         and ${problems.length - PROBLEMS_MAX} more`);
  console.log(`again:   ${command}`);
}
