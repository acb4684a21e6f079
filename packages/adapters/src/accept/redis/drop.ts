import { patternOf } from './keys.ts';
import type { Link } from './link.ts';

/** Keys looked at in one step: about a millisecond in which Redis does nothing else. */
const SCAN_COUNT = 1_000;

/** Deletes all keys of an epoch in small steps; that it was there is forgotten last. */
export async function drop(link: Link, prefix: string, epoch: number): Promise<void> {
  let cursor = '0';
  do {
    const [next, keys] = (await link.call(['SCAN', cursor, 'MATCH', patternOf(prefix, epoch), 'COUNT', `${SCAN_COUNT}`])) as [
      string,
      string[],
    ];
    if (keys.length > 0) await link.call(['UNLINK', ...keys]);
    cursor = next;
  } while (cursor !== '0');
  await link.call(['HDEL', `${prefix}:epochs`, `${epoch}`]);
}
