import { ceilingOf, deliveriesPerSec, isNearCeiling, type Outcome, type Row } from './table.ts';

export interface Ratio {
  /** NaN, which meets no budget, when the peer's own limit was not found. */
  readonly value: number;
  readonly note?: string;
  /** Whether a budget applies: not in a part of the bench without sinks. */
  readonly judged: boolean;
}

/** Gapless beside a peer, as far as the generator let both be measured. */
export function ratioOf(outcome: Outcome, own: Row, peer: Row): Ratio {
  const [ours, theirs] = [deliveriesPerSec(outcome, own), deliveriesPerSec(outcome, peer)];
  if (theirs === 0) return { value: Number.NaN, note: 'not counted: no rate of the peer held', judged: true };
  const value = ours / theirs;
  const sink = ceilingOf(outcome, peer);
  if (sink === undefined)
    return { value, note: 'not judged: no sink in this run, so what was measured may be the generator', judged: false };
  if (!isNearCeiling(outcome, peer)) return { value, judged: true };
  const note = `not counted (at most ${value.toFixed(2)}): the peer came near the ${sink.system.name}, so its own limit may be higher`;
  return { value: Number.NaN, note, judged: true };
}
