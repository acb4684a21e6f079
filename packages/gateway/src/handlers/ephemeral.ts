import type { Handler } from '../context.ts';
import { Frame } from '../frame.ts';

export const typing: Handler<'typing'> = async ({ chat, typing: board }, session, frame) => {
  await chat.requireParticipant(session.actor, frame.cid);
  board.set(frame.cid, session.actor.uid, frame.on);
};

export const presence: Handler<'presence'> = async ({ watch }, session, frame) => {
  if (frame.unwatch !== undefined) watch.unwatch(session, frame.unwatch);
  if (frame.watch !== undefined) await watch.watch(session, frame.watch);
};

export const ping: Handler<'ping'> = ({ hub, clock }, session, frame) => {
  hub.flusher.reply(session, Frame.of({ t: 'pong', ...(frame.n === undefined ? {} : { n: frame.n }), serverTs: clock.now() }));
};
