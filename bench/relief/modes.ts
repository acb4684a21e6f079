/** The old way, and the new one: values of `--ensure-members`. */
export const MODES = ['send', 'ack'] as const;
export type Mode = (typeof MODES)[number];

/** Runs both, in turns: each is the first one as often, so that what the machine does besides hits both. */
export async function inTurns<T>(repeats: number, round: (mode: Mode, repeat: number) => Promise<T>): Promise<Record<Mode, T[]>> {
  const found: Record<Mode, T[]> = { send: [], ack: [] };
  for (let repeat = 0; repeat < repeats; repeat++)
    for (const mode of repeat % 2 === 0 ? MODES : MODES.toReversed()) found[mode].push(await round(mode, repeat));
  return found;
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
