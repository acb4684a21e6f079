import type { Conversation, TimelineSnapshot } from '@gapless/sdk';
import { type RefObject, useCallback, useEffect, useRef, useState } from 'react';

/** Distance from the top at which the next page is asked for: about a screen, so that readers seldom see the end. */
const NEAR_TOP_PX = 800;

/** After a failure, so that scrolling without a connection does not hammer. */
const PAUSE_MS = 3_000;

/** Loads the page before when the reader comes near the top, or when what is loaded does not fill the screen. */
export function useLoadOlder(
  conversation: Conversation,
  snapshot: TimelineSnapshot,
  scroller: RefObject<HTMLElement | null>,
  ready: boolean,
) {
  const [loading, setLoading] = useState(false);
  const busyUntil = useRef(0);
  const [failures, setFailures] = useState(0);
  const { hasOlder } = snapshot;
  const count = snapshot.messages.length;

  const check = useCallback(() => {
    const element = scroller.current;
    if (element === null || !ready || !hasOlder || Date.now() < busyUntil.current || element.scrollTop > NEAR_TOP_PX) return;
    busyUntil.current = Number.POSITIVE_INFINITY;
    setLoading(true);
    conversation
      .loadOlder()
      .then(
        () => {
          busyUntil.current = 0;
        },
        () => {
          busyUntil.current = Date.now() + PAUSE_MS;
          setTimeout(() => setFailures((count) => count + 1), PAUSE_MS + 1);
        },
      )
      .finally(() => setLoading(false));
  }, [conversation, scroller, ready, hasOlder]);

  // biome-ignore lint/correctness/useExhaustiveDependencies: a new page may still not fill the screen, and a failed one is asked for again.
  useEffect(() => {
    if (loading) return;
    const frame = requestAnimationFrame(check);
    return () => cancelAnimationFrame(frame);
  }, [check, count, loading, failures]);

  return { loading, check };
}
