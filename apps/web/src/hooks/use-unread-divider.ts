import type { TimelineSnapshot } from '@gapless/sdk';
import { useState } from 'react';
import { useVisible } from './use-visible.ts';

/**
 * The seq after which messages are new to the reader: where they stood on opening, or when the tab went to the back.
 * It stays while they read on, else the divider would vanish under their eyes.
 */
export function useUnreadDivider({ loaded, head, lastRead }: TimelineSnapshot): number | undefined {
  const visible = useVisible();
  const [after, setAfter] = useState<number>();
  const [wasVisible, setWasVisible] = useState(visible);

  if (loaded && after === undefined) setAfter(lastRead);
  if (visible !== wasVisible) {
    setWasVisible(visible);
    if (!visible && loaded && lastRead === head) setAfter(head);
  }
  return after;
}
