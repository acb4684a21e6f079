import { type RefObject, useCallback, useLayoutEffect, useRef, useState } from 'react';
import type { VirtualizerHandle } from 'virtua';
import type { Row } from '../lib/timeline-rows.ts';

/** Closer to the end than this counts as at the bottom: half a line, and fractions of a pixel at odd zoom levels. */
const BOTTOM_SLACK_PX = 24;

/** Room left above the unread divider, so that one sees what came before. */
const DIVIDER_OFFSET_PX = -60;

/** The padding below the newest message, `.timeline-end` in the style sheet. */
const END_PADDING_PX = 10;

export interface TimelineScroll {
  readonly list: RefObject<VirtualizerHandle | null>;
  readonly scroller: RefObject<HTMLDivElement | null>;
  /** True in the one render in which messages were put in front: virtua then keeps the place from the end. */
  readonly shift: boolean;
  /** Undefined until the first placing. */
  readonly atBottom: boolean | undefined;
  readonly onScroll: (offset: number) => void;
  readonly onResize: () => void;
  readonly jumpDown: () => void;
}

/** Opens at the unread divider or the end, sticks to the end only while the reader is there, and keeps the place otherwise. */
export function useTimelineScroll(rows: readonly Row[]): TimelineScroll {
  const list = useRef<VirtualizerHandle>(null);
  const scroller = useRef<HTMLDivElement>(null);
  const stick = useRef(true);
  const lastOffset = useRef(0);
  const [atBottom, setAtBottom] = useState<boolean>();

  const firstKey = rows[0]?.key;
  const lastRow = rows.at(-1);
  const shown = useRef<{ first?: string | undefined; last?: string | undefined }>({});
  const shift = isPrepended(rows, shown.current.first);

  const toEnd = useCallback(() => {
    if (rows.length > 0) list.current?.scrollToIndex(rows.length - 1, { align: 'end', offset: END_PADDING_PX });
  }, [rows.length]);

  const measure = useCallback(() => {
    const element = scroller.current;
    if (element === null || rows.length === 0) return;
    const distance = element.scrollHeight - element.scrollTop - element.clientHeight;
    if (distance < BOTTOM_SLACK_PX) stick.current = true;
    // Only an upward move lets go: growing content also leaves a distance, for the moment until the list follows.
    else if (element.scrollTop < lastOffset.current - 1) stick.current = false;
    lastOffset.current = element.scrollTop;
    setAtBottom(distance < BOTTOM_SLACK_PX || stick.current);
  }, [rows.length]);

  // biome-ignore lint/correctness/useExhaustiveDependencies: places once per change of the ends, not per new row object.
  useLayoutEffect(() => {
    const before = shown.current;
    shown.current = { first: firstKey, last: lastRow?.key };
    if (lastRow === undefined) return;
    const isFirstTime = before.last === undefined;
    if (lastRow.message.status === 'sending' && lastRow.key !== before.last) stick.current = true;

    const divider = isFirstTime ? rows.findIndex((row) => row.unread) : -1;
    if (divider > 0) {
      stick.current = false;
      list.current?.scrollToIndex(divider, { align: 'start', offset: DIVIDER_OFFSET_PX });
    } else if (stick.current) toEnd();
    if (!isFirstTime) return;
    // Row heights are known one frame after they are drawn.
    const frame = requestAnimationFrame(() => requestAnimationFrame(measure));
    return () => cancelAnimationFrame(frame);
  }, [firstKey, lastRow?.key]);

  const onResize = useCallback(() => {
    if (stick.current) toEnd();
    else measure();
  }, [toEnd, measure]);

  const jumpDown = useCallback(() => {
    stick.current = true;
    toEnd();
  }, [toEnd]);

  return { list, scroller, shift, atBottom, onScroll: measure, onResize, jumpDown };
}

function isPrepended(rows: readonly Row[], firstBefore: string | undefined): boolean {
  if (firstBefore === undefined || rows[0]?.key === firstBefore) return false;
  return rows.some((row) => row.key === firstBefore);
}
