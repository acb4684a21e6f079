import type { Handler } from '../context.ts';

/** This device has everything up to `pos`. No answer; others hear `delivered`. */
export const ack: Handler<'ack'> = async ({ chat }, session, frame) => {
  // A device without a name of its own never comes back: nothing is kept for it apart.
  await chat.delivered(session.actor, session.deviceNamed ? session.device : '', frame.cid, frame.pos);
};

/** This user has read up to `pos`. No answer; everyone hears `read`, the user's other devices too. */
export const read: Handler<'read'> = async ({ chat }, session, frame) => {
  await chat.read(session.actor, frame.cid, frame.pos);
};
