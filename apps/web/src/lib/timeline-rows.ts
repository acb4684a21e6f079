import type { Message } from '@gapless/sdk';

/** Messages of one sender closer than this stand together. */
const GROUP_GAP_MS = 5 * 60_000;

/**
 * One message and what is drawn around it. Separators are part of a row, not rows of their own:
 * so a page put in front adds exactly its messages, and the list keeps its place.
 */
export interface Row {
  /** The mid: it stays while a message goes from sending to sent. */
  readonly key: string;
  readonly message: Message;
  /** First of its day. */
  readonly day: boolean;
  /** First that was unread when the conversation was opened. */
  readonly unread: boolean;
  /** First and last of a group by one sender. */
  readonly first: boolean;
  readonly last: boolean;
  /** Of a run of lost messages, told in one line: how many; 0 for all but the first of it. */
  readonly lost: number;
}

export interface RowOptions {
  readonly me: string;
  /** The reader's position; no divider when absent. */
  readonly unreadAfter: number | undefined;
}

export function timelineRows(messages: readonly Message[], { me, unreadAfter }: RowOptions): Row[] {
  const divider = unreadAfter === undefined ? undefined : firstUnread(messages, { me, unreadAfter });
  const starts = messages.map((message, i) => message === divider || startsGroup(messages[i - 1], message));
  return messages.map((message, i) => ({
    key: message.mid,
    message,
    day: i === 0 || !sameDay(messages[i - 1]!.at, message.at),
    unread: message === divider,
    first: starts[i]!,
    last: starts[i + 1] ?? true,
    lost: isLost(messages[i - 1]) ? 0 : runOfLost(messages, i),
  }));
}

/** It only holds the place of a number whose message was lost before it was saved. */
export function isLost(message: Pick<Message, 'kind'> | undefined): boolean {
  return message?.kind === 'lost';
}

export function sameDay(a: number, b: number): boolean {
  return new Date(a).toDateString() === new Date(b).toDateString();
}

/** None when the place lies above what is loaded, or when one's own message comes first: then all was read. */
function firstUnread(messages: readonly Message[], { me, unreadAfter }: { me: string; unreadAfter: number }): Message | undefined {
  const index = messages.findIndex((message) => (message.seq ?? 0) > unreadAfter);
  const found = messages[index];
  if (found === undefined || found.from === me) return undefined;
  return index > 0 || found.seq === unreadAfter + 1 ? found : undefined;
}

function startsGroup(before: Message | undefined, message: Message): boolean {
  if (before === undefined || before.from !== message.from) return true;
  if (isNotice(before) || isNotice(message)) return true;
  return message.at - before.at > GROUP_GAP_MS || !sameDay(before.at, message.at);
}

function runOfLost(messages: readonly Message[], from: number): number {
  let to = from;
  while (isLost(messages[to])) to++;
  return to - from;
}

function isNotice(message: Message): boolean {
  return message.kind === 'sys' || isLost(message);
}
