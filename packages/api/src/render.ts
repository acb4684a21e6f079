import { type ConversationDetailView, type ConversationView, type MessageRecord, renderMessage } from '@gapless/core';

// JSON text of what holds messages: a message's body is text already and goes out as it is stored, never parsed.

export function renderMessagePage({ items, head, saved }: { items: readonly MessageRecord[]; head: number; saved?: number }): string {
  return `{"items":[${items.map((message) => renderMessage(message)).join(',')}],"head":${head}${saved === undefined ? '' : `,"saved":${saved}`}}`;
}

export function renderConversation(view: ConversationView): string {
  return withLastMessage(summary(view), view.lastMessage);
}

export function renderConversationDetail(view: ConversationDetailView): string {
  const participants = view.participants.map(({ uid, displayName, role, joinedAt, lastRead }) => ({
    userId: uid,
    displayName,
    role,
    joinedAt,
    lastRead,
  }));
  return withLastMessage({ ...summary(view), participants }, view.lastMessage);
}

export function renderConversationPage({ items, next }: { items: readonly ConversationView[]; next?: string }): string {
  return `{"items":[${items.map(renderConversation).join(',')}]${next === undefined ? '' : `,"next":${JSON.stringify(next)}`}}`;
}

/** Fields by name: what a view may carry beyond the protocol stays inside. */
function summary({
  cid,
  kind,
  title,
  head,
  rev,
  saved,
  lastRead,
  createdAt,
  updatedAt,
  participantCount,
  peer,
}: ConversationView | ConversationDetailView) {
  return {
    cid,
    kind,
    title,
    head,
    rev,
    saved,
    lastRead,
    unread: Math.max(0, head - lastRead),
    createdAt,
    updatedAt,
    participantCount,
    peer: peer === undefined ? undefined : { userId: peer.uid, displayName: peer.displayName },
  };
}

function withLastMessage(fields: object, message: MessageRecord | undefined): string {
  const text = JSON.stringify(fields);
  return message === undefined ? text : `${text.slice(0, -1)},"lastMessage":${renderMessage(message)}}`;
}
