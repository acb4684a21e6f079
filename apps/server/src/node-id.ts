import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';

const RANDOM_BYTES = 6;

/** Of this process alone: nodes count each other's words, and a process that starts again begins anew. */
export function makeNodeId(configured: string): string {
  const name =
    configured ||
    hostname()
      .replaceAll(/[^\w-]/g, '-')
      .slice(0, 32);
  return `${name}-${randomBytes(RANDOM_BYTES).toString('hex')}`;
}
