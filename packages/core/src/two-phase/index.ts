export { WINDOW_MIN } from './conversations.ts';
export type { TwoPhaseRules } from './deps.ts';
export { Epochs } from './epochs.ts';
export type { TwoPhaseMetrics } from './metrics.ts';
export { acceptedReads } from './reads.ts';
export { savedEntry, toldEntry } from './record.ts';
export { TwoPhase, type TwoPhaseDeps } from './two-phase.ts';
