import { type KeyboardEvent, type RefObject, type UIEvent, useState } from 'react';
import { useSession } from '../hooks/use-client.ts';
import { useI18n } from '../hooks/use-i18n.ts';
import { useNow } from '../hooks/use-now.ts';
import { useObservable } from '../hooks/use-observable.ts';
import { usePresence, useWatchPresence } from '../hooks/use-presence.ts';
import { conversationName } from '../lib/text.ts';
import type { OpenDialog } from './chat.tsx';
import { ConversationItem } from './conversation-item.tsx';
import { SearchIcon } from './icons.tsx';
import { SidebarHead } from './sidebar-head.tsx';
import { TransportNote } from './transport-note.tsx';

/** Distance from the end at which the next page is asked for. */
const NEAR_END_PX = 400;

interface SidebarProps {
  readonly openCid: string | undefined;
  readonly filterRef: RefObject<HTMLInputElement | null>;
  readonly onDialog: (dialog: OpenDialog) => void;
}

export function Sidebar({ openCid, filterRef, onDialog }: SidebarProps) {
  const { t } = useI18n();
  const { client } = useSession();
  const { items, loaded, hasMore } = useObservable(client.conversations);
  const presence = usePresence();
  const now = useNow(60_000);
  const [filter, setFilter] = useState('');
  useWatchPresence(items.flatMap((item) => (item.peer === undefined ? [] : [item.peer.userId])));

  const wanted = filter.trim().toLowerCase();
  const shown = items.filter((item) => `${conversationName(item, t)} ${item.peer?.userId ?? ''}`.toLowerCase().includes(wanted));
  const loadMore = () => void client.conversations.loadMore().catch(() => undefined);

  function onScroll({ currentTarget: list }: UIEvent) {
    if (hasMore && list.scrollHeight - list.scrollTop - list.clientHeight < NEAR_END_PX) loadMore();
  }

  function onFilterKey(event: KeyboardEvent<HTMLInputElement>) {
    if (event.nativeEvent.isComposing || event.key !== 'Escape') return;
    event.preventDefault();
    setFilter('');
    event.currentTarget.blur();
  }

  return (
    <nav className="sidebar" aria-label={t.conversations}>
      <SidebarHead onDialog={onDialog} />
      <search className="filter">
        <SearchIcon size={16} />
        <input
          ref={filterRef}
          type="text"
          data-testid="filter"
          aria-label={t.filter}
          placeholder={t.filter}
          value={filter}
          onChange={(event) => setFilter(event.target.value)}
          onKeyDown={onFilterKey}
        />
      </search>
      <div className="conversations" onScroll={onScroll} aria-busy={!loaded}>
        <ul>
          {shown.map((item) => (
            <ConversationItem
              key={item.cid}
              item={item}
              open={item.cid === openCid}
              online={item.peer !== undefined && presence.get(item.peer.userId)?.state === 'online'}
              now={now}
            />
          ))}
        </ul>
        {!loaded && <p className="list-note">{t.loading}</p>}
        {loaded && shown.length === 0 && <p className="list-note">{items.length === 0 ? t.noConversations : t.noMatch}</p>}
        {hasMore && (
          <button type="button" className="link-button" onClick={loadMore}>
            {t.loadMore}
          </button>
        )}
      </div>
      <TransportNote />
    </nav>
  );
}
