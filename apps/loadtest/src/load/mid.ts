/** `run-client-n-intended`: the intended time travels in the mid, in microseconds of the monotonic clock, so that any receiver can read it. */
export function makeMid(run: string, client: number, n: number, intendedUs: number): string {
  return `${run}-${client.toString(36)}-${n.toString(36)}-${intendedUs.toString(36)}`;
}

export function intendedOf(mid: string): number {
  return Number.parseInt(mid.slice(mid.lastIndexOf('-') + 1), 36);
}

/** Microseconds; the same clock in every process of this machine. */
export function nowUs(): number {
  return Math.floor(Number(process.hrtime.bigint() / 1_000n));
}
