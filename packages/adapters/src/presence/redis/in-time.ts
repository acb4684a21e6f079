import type { Clock } from '@gapless/kit';

/** A Redis that answers nothing for so long is treated as away. */
export const REPLY_WAIT_MS = 2_000;

/** @throws Error when Redis did not answer in time */
export async function inTime<T>(clock: Clock, reply: Promise<T>): Promise<T> {
  let stop = () => {};
  const late = new Promise<never>((_, reject) => {
    stop = clock.after(REPLY_WAIT_MS, () => reject(new Error(`presence: Redis did not answer within ${REPLY_WAIT_MS} ms`)));
  });
  try {
    return await Promise.race([reply, late]);
  } finally {
    stop();
  }
}
