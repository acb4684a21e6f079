import type { Topic } from '@gapless/core';
import { ID_MAX_CHARS, ROOMS_JOINED_MAX } from '@gapless/protocol';
import type { Channels } from './channels.ts';
import type { Joined, RoomConnection } from './connection.ts';
import { type Data, isRoomName, payloadOf, type RoomError, type UpEnvelope } from './envelope.ts';
import type { RoomPolicy } from './policy.ts';

/** What a handler works with. */
export interface RoomContext {
  policy: RoomPolicy;
  channels: Channels;
  /** To everyone in a room, or to all connections of a user. Resolves when handed to the broker. */
  publish(topic: Topic, type: 'message' | 'direct' | 'user_joined' | 'user_left', from: string, data: Data): Promise<void>;
  pong(connection: RoomConnection): void;
  joined(): void;
  /** Takes a connection out of a room. */
  leave(connection: Joined, room: string): void;
}

/** Answers an error, or nothing. */
export type RoomHandler = (context: RoomContext, connection: Joined, up: UpEnvelope) => Promise<RoomError | undefined>;

const join: RoomHandler = async ({ policy, channels, publish, joined }, connection, { room }) => {
  if (room === '') return 'room required';
  if (!isRoomName(room) || !(await policy(connection.actor, room))) return 'forbidden';
  if (connection.closed || connection.rooms.has(room)) return;
  if (connection.rooms.size >= ROOMS_JOINED_MAX) return 'forbidden';
  const topic: Topic = { kind: 'room', name: room };
  const channel = channels.enter(topic, connection);
  connection.rooms.set(room, channel);
  joined();
  await channel.opened;
  const { uid } = connection.actor;
  if (channel.announce(uid)) await publish(topic, 'user_joined', uid, { user_id: uid });
};

const leave: RoomHandler = async (context, connection, { room }) => {
  if (room === '') return 'room required';
  if (connection.rooms.has(room)) context.leave(connection, room);
};

const message: RoomHandler = async ({ policy, publish }, connection, up) => {
  if (up.room === '') return 'room required';
  const data = payloadOf(up);
  if (data === undefined) return 'bad json';
  if (!connection.rooms.has(up.room) || !(await policy(connection.actor, up.room))) return 'forbidden';
  await publish({ kind: 'room', name: up.room }, 'message', connection.actor.uid, data);
};

/** To every connection of `data.to`. Whether there is such a user is not told. */
const direct: RoomHandler = async ({ publish }, connection, up) => {
  const data = payloadOf(up);
  const to = typeof data?.to === 'number' ? String(data.to) : data?.to;
  if (data === undefined || typeof to !== 'string' || to === '' || to.length > ID_MAX_CHARS || !to.isWellFormed()) return 'bad json';
  await publish({ kind: 'user', name: to }, 'direct', connection.actor.uid, data);
};

const ping: RoomHandler = async ({ pong }, connection) => {
  pong(connection);
};

/** The answer of a client to a ping that we never send this way. */
const pong: RoomHandler = async () => undefined;

// A map: a type may be the name of anything that objects have.
export const ROOM_HANDLERS: ReadonlyMap<string, RoomHandler> = new Map(Object.entries({ join, leave, message, direct, ping, pong }));
