/**
 * `run-client-n-intended`: the intended time travels in the mid, in microseconds of the monotonic clock, so that any receiver can read it.
 * The last separator is `_` for a message whose latency says nothing about the server: its sender dawdles, or was away of its own accord.
 */
export function makeMid(run: string, client: number, n: number, intendedUs: number, measured = true): string {
  return `${run}-${client.toString(36)}-${n.toString(36)}${measured ? '-' : '_'}${intendedUs.toString(36)}`;
}

export function intendedOf(mid: string): number {
  return Number.parseInt(mid.slice(separatorOf(mid) + 1), 36);
}

export function isMeasured(mid: string): boolean {
  return mid[separatorOf(mid)] === '-';
}

function separatorOf(mid: string): number {
  return Math.max(mid.lastIndexOf('-'), mid.lastIndexOf('_'));
}
