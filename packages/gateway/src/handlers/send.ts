import type { Numbers } from '@gapless/core';
import type { Handler } from '../context.ts';
import { Frame } from '../frame.ts';

/**
 * Answers when the message is saved, or accepted, and then once more when it is saved; the fan-out goes its own way and never delays the ack.
 * Lost in between, the answer is the error of an unknown outcome: the client sends it again.
 */
export const send: Handler<'send'> = async ({ chat, hub }, session, frame) => {
  const ack = (stage: 'accepted' | 'saved', { seq, rev, at }: Numbers, dup: boolean) => {
    const head = `{"t":"ack","cid":${JSON.stringify(frame.cid)},"mid":"${frame.mid}","pos":${seq},"rev":${rev},"stage":"${stage}","at":${at}`;
    hub.flusher.reply(session, new Frame(dup ? `${head},"dup":true}` : `${head}}`));
  };
  const result = await chat.send(session.actor, frame);
  ack(result.stage, result, result.dup);
  if (result.saved !== undefined) ack('saved', await result.saved, false);
};
