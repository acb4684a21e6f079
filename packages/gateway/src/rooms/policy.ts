import type { Actor } from '@gapless/core';

/** Who may join a room and send to it. Asked at every join and every message: one place for teams, roles or lists. */
export type RoomPolicy = (user: Actor, room: string) => boolean | Promise<boolean>;

const PRIVATE = 'private:';

/** `public:` and any other room is open; `private:<uid>` is for that user and admins. */
export const openPolicy: RoomPolicy = ({ uid, role }, room) =>
  !room.startsWith(PRIVATE) || role === 'admin' || room.slice(PRIVATE.length) === uid;
