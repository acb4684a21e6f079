import type { Conversation, Message } from '@gapless/sdk';
import { memo } from 'react';
import { useI18n } from '../hooks/use-i18n.ts';
import { clockTime, dayHeading, fullTime } from '../lib/format.ts';
import { isJumbo, messageText } from '../lib/text.ts';
import { isLost } from '../lib/timeline-rows.ts';
import { Avatar } from './avatar.tsx';
import { FailedActions } from './failed-actions.tsx';
import { RichText } from './rich-text.tsx';
import { Ticks } from './ticks.tsx';

interface MessageRowProps {
  readonly conversation: Conversation;
  readonly message: Message;
  readonly mine: boolean;
  readonly senderName: string;
  /** In a dm everyone knows who speaks. */
  readonly showSender: boolean;
  readonly day: boolean;
  readonly unread: boolean;
  readonly first: boolean;
  readonly last: boolean;
  readonly lost: number;
  /** The very first message of the conversation. */
  readonly beginning: boolean;
}

export const MessageRow = memo(function MessageRow(props: MessageRowProps) {
  const i18n = useI18n();
  const { t } = i18n;
  const { mine, day, unread, first, last, beginning } = props;
  const place = `${first ? ' first' : ''}${last ? ' last' : ''}`;
  return (
    <div className={`row${mine ? ' mine' : ''}${place}`}>
      {beginning && <p className="beginning">{t.beginning}</p>}
      {day && (
        <p className="day" data-testid="day">
          <span>{dayHeading(props.message.at, Date.now(), i18n)}</span>
        </p>
      )}
      {unread && (
        <p className="unread-divider" data-testid="unread-divider">
          <span>{t.newMessages}</span>
        </p>
      )}
      <Content {...props} />
    </div>
  );
});

function Content(props: MessageRowProps) {
  const { t } = useI18n();
  const { message, lost } = props;
  if (message.kind === 'sys') return <p className="sys">{messageText(message, t)}</p>;
  if (!isLost(message)) return <Bubble {...props} />;
  return lost === 0 ? null : (
    <p className="sys" data-testid="lost">
      {t.lost(lost)}
    </p>
  );
}

function Bubble({ conversation, message, mine, senderName, showSender, first, last }: MessageRowProps) {
  const i18n = useI18n();
  const { t } = i18n;
  const { status, recalledAt } = message;
  const text = messageText(message, t);
  const recalled = recalledAt !== undefined;
  return (
    <article className="message" data-testid="message" data-seq={message.seq} data-mid={message.mid} data-status={status} data-mine={mine}>
      {showSender && !mine && <span className="sender-avatar">{last && <Avatar id={message.from} name={senderName} small />}</span>}
      <div className={`bubble${recalled ? ' recalled' : ''}${!recalled && isJumbo(text) ? ' jumbo' : ''}`}>
        {showSender && !mine && first ? (
          <bdi className="sender">{senderName}</bdi>
        ) : (
          <span className="visually-hidden">{mine ? t.you : senderName}: </span>
        )}
        <span className="text" dir="auto" data-testid="message-text">
          {recalled ? text : <RichText text={text} />}
        </span>
        <span className="meta">
          {message.editedAt !== undefined && !recalled && <span>{t.edited} </span>}
          <time dateTime={new Date(message.at).toISOString()} title={fullTime(message.at, i18n)}>
            {clockTime(message.at, i18n)}
          </time>
          {status !== undefined && <Ticks status={status} />}
        </span>
        {status === 'failed' && <FailedActions conversation={conversation} message={message} />}
      </div>
    </article>
  );
}
