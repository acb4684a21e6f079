/**
 * `run-client-n-node-intended`: what receivers need of a message travels in its mid.
 *
 * - `intended`: when it was to be sent, in microseconds of the monotonic clock.
 * - `node`: where its sender was connected then.
 * - The last separator is `_` for a message whose latency says nothing about the server: its sender dawdles, or was away of its own accord.
 */
export function makeMid(run: string, client: number, n: number, intendedUs: number, { node = 0, measured = true } = {}): string {
  return `${run}-${client.toString(36)}-${n.toString(36)}-${node.toString(36)}${measured ? '-' : '_'}${intendedUs.toString(36)}`;
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
