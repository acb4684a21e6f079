/** Some seconds at one rate, open loop: a message counts from when it was to be sent, whether or not anybody was late. */
export interface Schedule {
  /** Number of the first message. */
  readonly first: number;
  readonly count: number;
  /** Messages before this one warm up: they have to arrive, their latency is not kept. */
  readonly measureFrom: number;
  readonly startUs: number;
  readonly intervalUs: number;
}

/** Messages of the first and of the last second that is measured. */
export function edges({ first, count, measureFrom, intervalUs }: Schedule): { readonly firstUntil: number; readonly lastFrom: number } {
  const second = 1e6 / intervalUs;
  return { firstUntil: measureFrom + second, lastFrom: first + count - second };
}

export const intendedUs = ({ first, startUs, intervalUs }: Schedule, k: number): number => startUs + (k - first) * intervalUs;

/** Microseconds of the monotonic clock: the same in every thread. */
export function nowUs(): number {
  return Number(process.hrtime.bigint() / 1_000n);
}
