import { type ClientPlan, dawdles } from './options.ts';

/**
 * Which of the generator's threads has which client: the work of the others must not delay what is measured.
 *
 * - Mode resume: those that stay have the first to themselves.
 * - Those that dawdle have the last to themselves: when they read on, megabytes come at once.
 * - All others, those that flap too, share what is left. With nothing left (mode resume, two threads) they are with those that dawdle.
 */
export function threadsFor(plans: readonly ClientPlan[], count: number): (plan: ClientPlan) => number {
  const kinds = new Set(plans.map(kindOf));
  const first = kinds.has('steady') && kinds.size > 1 && count > 1 ? 1 : 0;
  const last = kinds.has('dawdles') && kinds.size > 1 && count > 1 ? 1 : 0;
  const between = count - first - last;
  return (plan) => {
    const kind = kindOf(plan);
    if (first === 1 && kind === 'steady') return 0;
    if (last === 1 && (kind === 'dawdles' || between === 0)) return count - 1;
    return first + (plan.index % between);
  };
}

/** A steady one that dawdles measures nothing. */
function kindOf({ steady, role }: ClientPlan): 'steady' | 'dawdles' | 'others' {
  if (dawdles(role)) return 'dawdles';
  return steady ? 'steady' : 'others';
}
