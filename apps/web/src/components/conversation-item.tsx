import type { ConversationSummary } from '@gapless/sdk';
import { memo } from 'react';
import { useSession } from '../hooks/use-client.ts';
import { useI18n } from '../hooks/use-i18n.ts';
import { fullTime, listTime } from '../lib/format.ts';
import { routeOf } from '../lib/route.ts';
import { conversationName, preview } from '../lib/text.ts';
import { Avatar } from './avatar.tsx';

const BADGE_MAX = 999;

interface ConversationItemProps {
  readonly item: ConversationSummary;
  readonly open: boolean;
  readonly online: boolean;
  readonly now: number;
}

export const ConversationItem = memo(function ConversationItem({ item, open, online, now }: ConversationItemProps) {
  const i18n = useI18n();
  const { t } = i18n;
  const { userId } = useSession();
  const name = conversationName(item, t);
  const at = item.lastMessage?.at ?? item.updatedAt;
  return (
    <li>
      <a
        className={item.unread > 0 ? 'conversation-item has-unread' : 'conversation-item'}
        href={routeOf(item.cid)}
        aria-current={open ? 'page' : undefined}
        data-testid="conversation-item"
        data-cid={item.cid}
        data-unread={item.unread}
      >
        <Avatar id={item.peer?.userId ?? item.cid} name={name} online={online} />
        <span className="conversation-name">
          <bdi>{name}</bdi>
        </span>
        <time dateTime={new Date(at).toISOString()} title={fullTime(at, i18n)}>
          {listTime(at, now, i18n)}
        </time>
        <span className="preview">
          <bdi>{preview(item, userId, t)}</bdi>
        </span>
        {item.unread > 0 && (
          <span className="badge">
            <span aria-hidden="true">{item.unread > BADGE_MAX ? `${BADGE_MAX}+` : item.unread}</span>
            <span className="visually-hidden">{t.unreadCount(item.unread)}</span>
          </span>
        )}
      </a>
    </li>
  );
});
