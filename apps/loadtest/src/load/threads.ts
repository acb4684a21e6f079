import { type ClientPlan, dawdles, type LoadOptions } from './options.ts';
import { LoadError } from './plan.ts';

/** With more something is wrong: each holds thousands of connections. */
const PROCESSES_MAX = 64;

/**
 * The clients of each worker: of threads while one process may hold all connections, else of so many processes that each may hold its own.
 * @throws LoadError when even then those that must share one are too many
 */
export function sharesOf(
  plans: readonly ClientPlan[],
  { workers, urls }: Pick<LoadOptions, 'workers' | 'urls'>,
  connectionsMax: number,
): { ownProcess: boolean; shares: ClientPlan[][] } {
  const ownProcess = plans.length > connectionsMax;
  for (let count = Math.min(workers, plans.length); count <= Math.max(workers, PROCESSES_MAX); count++) {
    const workerOf = threadsFor(plans, count, urls.length);
    const shares = Array.from({ length: count }, (_, n) => plans.filter((plan) => workerOf(plan) === n));
    if (!ownProcess || shares.every(({ length }) => length <= connectionsMax)) return { ownProcess, shares };
  }
  throw new LoadError(`one process may hold ${connectionsMax} connections (ulimit -n): too few for those that must share one`);
}

/**
 * Which of the generator's threads has which client: the work of the others must not delay what is measured.
 *
 * - Mode resume: those that stay have the first to themselves.
 * - Those that dawdle have the last to themselves: when they read on, megabytes come at once.
 * - With several nodes each thread has clients of every node.
 * - All others, those that flap too, share what is left. With nothing left (mode resume, two threads) they are with those that dawdle.
 */
export function threadsFor(plans: readonly ClientPlan[], count: number, nodes = 1): (plan: ClientPlan) => number {
  const kinds = new Set(plans.map(kindOf));
  const first = kinds.has('steady') && kinds.size > 1 && count > 1 ? 1 : 0;
  const last = kinds.has('dawdles') && kinds.size > 1 && count > 1 ? 1 : 0;
  const between = count - first - last;
  return (plan) => {
    const kind = kindOf(plan);
    if (first === 1 && kind === 'steady') return 0;
    if (last === 1 && (kind === 'dawdles' || between === 0)) return count - 1;
    return first + (Math.floor(plan.index / nodes) % between);
  };
}

/** A steady one that dawdles measures nothing. */
function kindOf({ steady, role }: ClientPlan): 'steady' | 'dawdles' | 'others' {
  if (dawdles(role)) return 'dawdles';
  return steady ? 'steady' : 'others';
}
