import type { OutgoingHttpHeaders } from 'node:http';
import { ChatError } from '@gapless/core';
import { partsOf, type Route, type RouteDeps } from '../route.ts';

/** Frames in one request; more belong into the next one. */
const FRAMES_PER_POST_MAX = 100;

const StreamQuery = {
  type: 'object',
  properties: {
    token: { type: 'string', description: 'Instead of the header, which browsers cannot set on a stream.' },
    device: { type: 'string', description: 'As in `auth`.' },
    pull: { type: 'string', description: '`1`: large conversations tell of news by `head`, and are pulled.' },
    lastEventId: { type: 'string', description: 'Instead of the header `Last-Event-ID`: goes on behind that event.' },
  },
} as const;

const ConnParams = {
  type: 'object',
  properties: { conn: { type: 'string', description: 'From the first event of the stream. Whoever has it can send frames.' } },
  required: ['conn'],
} as const;

/** What is in it is judged frame by frame, as on a WebSocket. */
const Frames = {
  description: 'A frame, or several in their order.',
  type: ['object', 'array'],
  minItems: 1,
  maxItems: FRAMES_PER_POST_MAX,
} as const;

const Stream = {
  type: 'string',
  description:
    'Server-sent events. First `event: conn` with `{"t":"conn","conn":…}`. Each frame is an event without a name; `event: ping` comes every 15 s, `event: close` with `{"t":"close","code":…,"reason":…}` at the end.',
} as const;

export const liveRoutes: readonly Route[] = [
  {
    method: 'GET',
    path: '/sse',
    id: 'openStream',
    summary: 'A live connection for networks that block WebSocket: frames of the live protocol as server-sent events',
    auth: 'none',
    browsers: true,
    query: StreamQuery,
    answers: { 200: { says: 'The stream; a bad token is told in it.', type: 'text/event-stream', schema: Stream } },
    problems: ['bad_frame', 'forbidden', 'not_found', 'rate_limited', 'server_busy'],
    async handle(call, { live }) {
      const { request, reply } = call;
      // Made from the route of GET by the framework: nobody is there to read a stream.
      if (request.method === 'HEAD') throw new ChatError('not_found');
      const headers = reply.getHeaders() as OutgoingHttpHeaders;
      await existing(live).open({ request: request.raw, response: reply.raw, headers, ip: request.ip });
      reply.hijack();
    },
  },
  {
    method: 'POST',
    path: '/sse/{conn}/frames',
    id: 'sendFrames',
    summary: 'Send frames up a live connection; the answers come on its stream',
    auth: 'none',
    browsers: true,
    params: ConnParams,
    body: Frames,
    answers: { 202: { says: 'Taken, in their order.' } },
    problems: ['unauthorized', 'token_expired', 'forbidden', 'not_found', 'server_busy'],
    async handle(call, { live }) {
      const { params, body } = partsOf<{ params: { conn: string }; body: unknown }>(call);
      await existing(live).receive(params.conn, Array.isArray(body) ? body : [body], call.request.headers.authorization);
      return call.reply.code(202).send();
    },
  },
];

function existing(live: RouteDeps['live']): NonNullable<RouteDeps['live']> {
  if (live === undefined) throw new ChatError('not_found');
  return live;
}
