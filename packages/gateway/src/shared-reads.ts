import type { ConversationReads, ReplayPage } from '@gapless/core';

type Replay = ConversationReads['replay'];

/** Pages kept for who comes next: a room that fell behind together asks for the same ones one after the other. */
const PAGES_MAX = 64;
const KEEP_MS = 1_000;

/**
 * Replays by rev that are asked for several times are read once. A page that is a moment old is as good as a new one: what was changed
 * since has a larger rev, and follows. By seq it would not: there changes follow from the head of the join only.
 */
export function shareReplays(replay: Replay, clock: { elapsed(): number }): Replay {
  const pages = new Map<string, { page: Promise<ReplayPage>; until: number }>();
  return (cid, options) => {
    const { by, after, limit } = options;
    if (by === 'seq') return replay(cid, options);
    const key = `${cid} ${after} ${limit}`;
    const now = clock.elapsed();
    const found = pages.get(key);
    if (found !== undefined && found.until > now) return found.page;
    const page = replay(cid, options);
    pages.delete(key);
    pages.set(key, { page, until: now + KEEP_MS });
    if (pages.size > PAGES_MAX) pages.delete(pages.keys().next().value!);
    page.then(
      // One that was cut short, by the head of then or by its bytes, would hide what follows.
      ({ ends }) => ends.length < limit && drop(pages, key, page),
      () => drop(pages, key, page),
    );
    return page;
  };
}

function drop(pages: Map<string, { page: Promise<ReplayPage> }>, key: string, page: Promise<ReplayPage>): void {
  if (pages.get(key)?.page === page) pages.delete(key);
}
