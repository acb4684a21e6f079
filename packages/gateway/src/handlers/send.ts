import type { Handler } from '../context.ts';
import { Frame } from '../frame.ts';

/** Answers when the message is saved; the fan-out goes its own way and never delays the ack. */
export const send: Handler<'send'> = async ({ chat, hub }, session, frame) => {
  const { seq, rev, at, dup } = await chat.send(session.actor, frame);
  const head = `{"t":"ack","cid":${JSON.stringify(frame.cid)},"mid":"${frame.mid}","pos":${seq},"rev":${rev},"stage":"saved","at":${at}`;
  hub.flusher.reply(session, new Frame(dup ? `${head},"dup":true}` : `${head}}`));
};
