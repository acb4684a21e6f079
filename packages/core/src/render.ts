import type { MessageRecord } from './model.ts';

/**
 * A message as JSON text with the fields of the protocol's `message`; with `t` as the frame itself.
 * The body is text already and is copied as it is: nothing on the way out parses it.
 */
export function renderMessage(message: MessageRecord, t = false): string {
  let text = `${t ? '{"t":"message","cid":' : '{"cid":'}${JSON.stringify(message.cid)},"seq":${message.seq},"rev":${message.rev}`;
  text += `,"mid":${JSON.stringify(message.mid)},"from":${JSON.stringify(message.from)},"at":${message.at}`;
  text += `,"kind":${JSON.stringify(message.kind)},"body":${message.body}`;
  if (message.editedAt !== undefined) text += `,"editedAt":${message.editedAt}`;
  if (message.recalledAt !== undefined) text += `,"recalledAt":${message.recalledAt}`;
  if (message.replyTo !== undefined) text += `,"replyTo":${message.replyTo}`;
  if (message.threadRoot !== undefined) text += `,"threadRoot":${message.threadRoot}`;
  if (message.mentions !== undefined) text += `,"mentions":${JSON.stringify(message.mentions)}`;
  if (message.stage !== undefined) text += `,"stage":"${message.stage}"`;
  return `${text}}`;
}
