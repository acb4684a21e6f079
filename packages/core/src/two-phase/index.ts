export { WINDOW_MIN } from './conversations.ts';
export { Epochs, type TwoPhaseRules } from './epochs.ts';
export type { TwoPhaseMetrics } from './metrics.ts';
export { acceptedReads } from './reads.ts';
export { savedEntry, toldEntry } from './record.ts';
export { TwoPhase, type TwoPhaseDeps } from './two-phase.ts';
