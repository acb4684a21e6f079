import type { Conversation, TimelineSnapshot } from '@gapless/sdk';
import { useEffect, useMemo } from 'react';
import { Virtualizer } from 'virtua';
import { useSession } from '../hooks/use-client.ts';
import { useI18n } from '../hooks/use-i18n.ts';
import { useLoadOlder } from '../hooks/use-load-older.ts';
import { useTimelineScroll } from '../hooks/use-timeline-scroll.ts';
import { useUnreadDivider } from '../hooks/use-unread-divider.ts';
import { useVisible } from '../hooks/use-visible.ts';
import { timelineRows } from '../lib/timeline-rows.ts';
import { DownIcon } from './icons.tsx';
import { MessageRow } from './message-row.tsx';

interface TimelineProps {
  readonly conversation: Conversation;
  readonly snapshot: TimelineSnapshot;
}

export function Timeline({ conversation, snapshot }: TimelineProps) {
  const { t } = useI18n();
  const { userId } = useSession();
  const visible = useVisible();
  const unreadAfter = useUnreadDivider(snapshot);
  const { messages, participants, loaded, hasOlder, unread } = snapshot;
  const rows = useMemo(() => timelineRows(messages, { me: userId, unreadAfter }), [messages, userId, unreadAfter]);
  const names = useMemo(() => new Map(participants.map((p) => [p.userId, p.displayName || p.userId])), [participants]);
  const scroll = useTimelineScroll(rows);
  const { atBottom } = scroll;
  const older = useLoadOlder(conversation, snapshot, scroll.scroller, atBottom !== undefined);

  // The head may be known before its message is here: what is read is what is shown.
  const newest = messages.findLast(({ seq }) => seq !== undefined)?.seq;
  useEffect(() => {
    if (visible && atBottom === true && unread > 0 && newest !== undefined) conversation.markRead(newest);
  }, [conversation, visible, atBottom, unread, newest]);

  return (
    <div className="timeline-frame">
      {older.loading && <p className="loading-older">{t.loading}</p>}
      {/* New messages are announced while the reader is at the end; in the history, drawing older rows is no news. */}
      <div
        className="timeline"
        ref={scroll.scroller}
        role="log"
        aria-label={t.messages}
        aria-live={atBottom === false ? 'off' : 'polite'}
        aria-busy={!loaded}
        data-testid="timeline"
        // biome-ignore lint/a11y/noNoninteractiveTabindex: a scrolling region must be reachable by keyboard.
        tabIndex={0}
      >
        <div className="timeline-end">
          {!loaded && <p className="list-note">{t.loading}</p>}
          {loaded && rows.length === 0 && <p className="list-note">{t.noMessages}</p>}
          <Virtualizer
            ref={scroll.list}
            scrollRef={scroll.scroller}
            as="ol"
            item="li"
            data={rows}
            shift={scroll.shift}
            onScroll={(offset) => {
              scroll.onScroll(offset);
              older.check();
            }}
            onResize={scroll.onResize}
          >
            {(row, index) => (
              <MessageRow
                key={row.key}
                conversation={conversation}
                message={row.message}
                mine={row.message.from === userId}
                senderName={names.get(row.message.from) ?? row.message.from}
                showSender={snapshot.kind !== 'dm'}
                day={row.day}
                unread={row.unread}
                first={row.first}
                last={row.last}
                lost={row.lost}
                beginning={index === 0 && loaded && !hasOlder}
              />
            )}
          </Virtualizer>
        </div>
      </div>
      {atBottom === false && (
        <button
          type="button"
          className={unread > 0 ? 'jump has-new' : 'jump'}
          data-testid="jump"
          aria-label={unread > 0 ? undefined : t.jumpDown}
          onClick={scroll.jumpDown}
        >
          {unread > 0 && t.nNew(unread)}
          <DownIcon size={18} />
        </button>
      )}
    </div>
  );
}
