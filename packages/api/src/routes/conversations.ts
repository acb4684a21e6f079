import type { ConversationDetailView } from '@gapless/core';
import { http } from '@gapless/protocol';
import type { FastifyReply } from 'fastify';
import { renderConversationDetail, renderConversationPage } from '../render.ts';
import { partsOf, type Route } from '../route.ts';
import { CidParams, JSON_TYPE, ParticipantParams } from './shared.ts';

interface InConversation {
  params: { cid: string };
}

const DETAIL = { says: 'The conversation.', schema: http.ConversationDetail };

function sendDetail(reply: FastifyReply, conversation: ConversationDetailView, status = 200): FastifyReply {
  return reply.code(status).type(JSON_TYPE).send(renderConversationDetail(conversation));
}

export const conversationRoutes: readonly Route[] = [
  {
    method: 'POST',
    path: '/v1/conversations',
    id: 'createConversation',
    summary: 'Begin a conversation; the same dm again gives the one there is',
    auth: 'user',
    body: http.CreateConversationRequest,
    answers: { 201: DETAIL, 200: { ...DETAIL, says: 'This dm existed.' } },
    problems: ['unknown_user', 'blocked', 'server_busy'],
    async handle(call, { chat }) {
      const { body } = partsOf<{ body: http.CreateConversationRequest }>(call);
      const { conversation, created } = await chat.createConversation(call.actor, body);
      return sendDetail(call.reply, conversation, created ? 201 : 200);
    },
  },
  {
    method: 'GET',
    path: '/v1/conversations',
    id: 'listConversations',
    summary: 'The conversations of the user, newest activity first',
    auth: 'user',
    query: http.PageQuery,
    answers: { 200: { says: 'A page; `next` is the cursor of the one after it.', schema: http.ConversationPage } },
    async handle(call, { chat }) {
      const { query } = partsOf<{ query: { cursor?: string; limit?: number } }>(call);
      return call.reply.type(JSON_TYPE).send(renderConversationPage(await chat.conversations(call.actor, query)));
    },
  },
  {
    method: 'GET',
    path: '/v1/conversations/{cid}',
    id: 'getConversation',
    summary: 'One conversation with its participants',
    auth: 'user',
    params: CidParams,
    answers: { 200: DETAIL },
    problems: ['not_participant'],
    async handle(call, { chat }) {
      const { params } = partsOf<InConversation>(call);
      return sendDetail(call.reply, await chat.conversation(call.actor, params.cid));
    },
  },
  {
    method: 'PATCH',
    path: '/v1/conversations/{cid}',
    id: 'updateConversation',
    summary: 'Change the title',
    auth: 'user',
    params: CidParams,
    body: http.UpdateConversationRequest,
    answers: { 200: DETAIL },
    problems: ['not_participant', 'forbidden', 'server_busy'],
    async handle(call, { chat }) {
      const { params, body } = partsOf<InConversation & { body: { title: string } }>(call);
      await chat.updateConversation(call.actor, params.cid, body);
      return sendDetail(call.reply, await chat.conversation(call.actor, params.cid));
    },
  },
  {
    method: 'POST',
    path: '/v1/conversations/{cid}/participants',
    id: 'addParticipants',
    summary: 'Add users',
    auth: 'user',
    params: CidParams,
    body: http.AddParticipantsRequest,
    answers: { 200: DETAIL },
    problems: ['not_participant', 'forbidden', 'unknown_user', 'blocked', 'server_busy'],
    async handle(call, { chat }) {
      const { params, body } = partsOf<InConversation & { body: { userIds: string[]; role?: 'admin' | 'member' } }>(call);
      await chat.addParticipants(call.actor, params.cid, { users: body.userIds, role: body.role });
      return sendDetail(call.reply, await chat.conversation(call.actor, params.cid));
    },
  },
  {
    method: 'DELETE',
    path: '/v1/conversations/{cid}/participants/{uid}',
    id: 'removeParticipant',
    summary: 'Remove a user, or leave',
    auth: 'user',
    params: ParticipantParams,
    answers: { 204: { says: 'Not a participant any more.' } },
    problems: ['not_participant', 'forbidden', 'server_busy'],
    async handle(call, { chat }) {
      const { params } = partsOf<{ params: { cid: string; uid: string } }>(call);
      await chat.removeParticipant(call.actor, params.cid, params.uid);
      return call.reply.code(204).send();
    },
  },
];
