import { http } from '@gapless/protocol';
import { renderMessagePage } from '../render.ts';
import { partsOf, type Route } from '../route.ts';
import { CidParams, JSON_TYPE } from './shared.ts';

interface InConversation {
  params: { cid: string };
}

const SENT = { says: 'Saved.', schema: http.SendResponse };

export const messageRoutes: readonly Route[] = [
  {
    method: 'GET',
    path: '/v1/conversations/{cid}/messages',
    id: 'listMessages',
    summary: 'History, ascending by seq: the first after a seq, the last before one, or the newest',
    auth: 'user',
    params: CidParams,
    query: http.MessagesQuery,
    answers: { 200: { says: 'A page of messages.', schema: http.MessagePage } },
    problems: ['not_participant'],
    async handle(call, { chat }) {
      const { params, query } = partsOf<InConversation & { query: { after?: number; before?: number; limit?: number } }>(call);
      return call.reply.type(JSON_TYPE).send(renderMessagePage(await chat.messages(call.actor, params.cid, query)));
    },
  },
  {
    method: 'POST',
    path: '/v1/conversations/{cid}/messages',
    id: 'sendMessage',
    summary: 'Send a message; the same mid again gives the first outcome',
    auth: 'user',
    params: CidParams,
    body: http.SendRequest,
    answers: { 201: SENT, 200: { ...SENT, says: 'This mid was saved before.' } },
    problems: ['not_participant', 'muted', 'blocked', 'mid_conflict', 'rate_limited', 'server_busy'],
    async handle(call, { chat }) {
      const { params, body } = partsOf<InConversation & { body: http.SendRequest }>(call);
      const { mid, kind, replyTo, threadRoot, mentions } = body;
      const sent = await chat.send(call.actor, { cid: params.cid, mid, kind, body: body.body, replyTo, threadRoot, mentions });
      const { seq, rev, at, stage, dup } = sent;
      const answer: http.SendResponse = { cid: params.cid, mid, seq, rev, at, stage, ...(dup ? { dup } : {}) };
      return call.reply.code(dup ? 200 : 201).send(answer);
    },
  },
  {
    method: 'POST',
    path: '/v1/conversations/{cid}/read',
    id: 'markRead',
    summary: 'The user has read up to a seq; never moves back',
    auth: 'user',
    params: CidParams,
    body: http.ReadRequest,
    answers: { 204: { says: 'Noted.' } },
    problems: ['not_participant', 'server_busy'],
    async handle(call, { chat }) {
      const { params, body } = partsOf<InConversation & { body: { pos: number } }>(call);
      await chat.read(call.actor, params.cid, body.pos);
      return call.reply.code(204).send();
    },
  },
];
