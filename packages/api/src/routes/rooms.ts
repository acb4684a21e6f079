import { ChatError } from '@gapless/core';
import { ROOM_NAME_MAX_CHARS } from '@gapless/protocol';
import { partsOf, type Route } from '../route.ts';

const RoomParams = {
  type: 'object',
  properties: { room: { type: 'string', minLength: 1, maxLength: ROOM_NAME_MAX_CHARS } },
  required: ['room'],
} as const;

const Notice = {
  type: 'object',
  properties: { data: { type: 'object', description: 'Anything; it comes as `data` of the envelope.' } },
  required: ['data'],
} as const;

export const roomRoutes: readonly Route[] = [
  {
    method: 'POST',
    path: '/v1/rooms/{room}/system',
    id: 'sendRoomNotice',
    summary: 'Send a `system` notice to everyone who is in an ephemeral room now; nothing is kept',
    auth: 'admin',
    params: RoomParams,
    body: Notice,
    answers: { 202: { says: 'Sent. Who of them gets it is not known.' } },
    problems: ['not_found', 'server_busy'],
    async handle(call, { rooms }) {
      const { params, body } = partsOf<{ params: { room: string }; body: { data: Record<string, unknown> } }>(call);
      if (rooms === undefined) throw new ChatError('not_found');
      // As rooms are named in frames.
      await rooms.system(params.room.trim(), body.data);
      return call.reply.code(202).send();
    },
  },
];
