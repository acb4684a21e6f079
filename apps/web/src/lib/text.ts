import type { ConversationSummary, Message } from '@gapless/sdk';
import type { Texts } from '../i18n/index.ts';
import { isLost } from './timeline-rows.ts';

type Content = Pick<Message, 'kind' | 'body'> & { readonly recalledAt?: number | undefined };

/** What a message says in plain text. Any kind may come: other apps share the server. */
export function messageText(message: Content, t: Texts): string {
  if (message.recalledAt !== undefined) return t.recalled;
  const { text, name } = message.body;
  if (typeof text === 'string' && text !== '') return text;
  const { attachment } = t;
  const label = message.kind === 'image' ? attachment.image : message.kind === 'file' ? attachment.file : attachment.other;
  return typeof name === 'string' && name !== '' ? `${label}: ${name}` : label;
}

/** The last message in one line, with who said it. */
export function preview(item: ConversationSummary, me: string, t: Texts): string {
  const { lastMessage } = item;
  if (lastMessage === undefined) return t.noMessages;
  if (isLost(lastMessage)) return t.lost(1);
  const text = messageText(lastMessage, t).replace(/\s+/g, ' ');
  if (lastMessage.from === me) return t.youSaid(text);
  return item.kind === 'dm' ? text : t.said(lastMessage.from, text);
}

export function conversationName(item: Pick<ConversationSummary, 'kind' | 'title' | 'peer' | 'cid'>, t: Texts): string {
  if (item.kind === 'dm' && item.peer !== undefined) return item.peer.displayName || item.peer.userId;
  return item.title || t.untitled;
}

/** Names typed into one field. */
export function splitNames(text: string): string[] {
  return [...new Set(text.split(/[\s,;，、；]+/).filter((name) => name !== ''))];
}

const EMOJI_ONLY = /^(?:\p{Extended_Pictographic}|\p{Emoji_Modifier}|\p{Regional_Indicator}|\u200d|\ufe0f|\u20e3|\s)+$/u;
const JUMBO_MAX = 3;

/** One to three emoji and nothing else are drawn large. */
export function isJumbo(text: string): boolean {
  if (text.length > 64 || text.trim() === '' || !EMOJI_ONLY.test(text)) return false;
  const graphemes = [...new Intl.Segmenter('en', { granularity: 'grapheme' }).segment(text.replace(/\s/g, ''))];
  return graphemes.length <= JUMBO_MAX;
}
