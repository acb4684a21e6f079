import type { LoadOptions } from './options.ts';

/**
 * When client `index` means to send its message `n`, in ms from the start. Latency counts from then, whenever it is really sent, so that
 * a stall of the server or of the generator shows (no coordinated omission).
 */
export function intendedMs(
  { clients, msgIntervalMs, sendModel }: Pick<LoadOptions, 'clients' | 'msgIntervalMs' | 'sendModel'>,
  index: number,
  n: number,
): number {
  const phase = sendModel === 'burst' ? 0 : (index / clients) * msgIntervalMs;
  return phase + n * msgIntervalMs;
}
