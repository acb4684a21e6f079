import type { Figure } from '../lib/report.ts';

/** What one part found. */
export interface Part {
  readonly figures: readonly Figure[];
  /** Kept as it is. */
  readonly details: object;
}
