import { http } from '@gapless/protocol';
import { type LogSampling, partsOf, type Route } from '../route.ts';

const Sampling = {
  type: 'object',
  properties: {
    rate: { type: 'number', minimum: 0, maximum: 1, description: 'Share of successful sends that are logged; errors always are.' },
    cids: {
      type: 'array',
      items: http.Conversation.properties.cid,
      maxItems: 100,
      description: 'Conversations of which everything is logged.',
    },
  },
  required: ['rate', 'cids'],
} as const;

const Settings = {
  type: 'object',
  properties: {
    items: {
      type: 'array',
      items: {
        type: 'object',
        properties: Object.fromEntries(['name', 'value', 'default', 'values', 'help'].map((name) => [name, { type: 'string' }])),
        required: ['name', 'value', 'default', 'values', 'help'],
      },
    },
  },
  required: ['items'],
} as const;

const SETTINGS = { 200: { says: 'Settings that can be changed while running, with their values now.', schema: Settings } };

const RULES = { 200: { says: 'What is logged now.', schema: Sampling } };

export const adminRoutes: readonly Route[] = [
  {
    method: 'GET',
    path: '/v1/admin/log-sampling',
    id: 'getLogSampling',
    summary: 'Which successes are logged',
    auth: 'admin',
    answers: RULES,
    handle: (_call, { logSampling }) => logSampling.get(),
  },
  {
    method: 'PUT',
    path: '/v1/admin/log-sampling',
    id: 'setLogSampling',
    summary: 'Change which successes are logged, until the next start',
    auth: 'admin',
    body: Sampling,
    answers: RULES,
    handle(call, { logSampling }) {
      const { rate, cids } = partsOf<{ body: ReturnType<LogSampling['get']> }>(call).body;
      logSampling.set({ rate, cids });
      return logSampling.get();
    },
  },
  {
    method: 'GET',
    path: '/v1/admin/settings',
    id: 'listSettings',
    summary: 'Settings that can be changed while running',
    auth: 'admin',
    answers: SETTINGS,
    handle: (_call, { settings }) => ({ items: settings.list() }),
  },
  {
    method: 'PATCH',
    path: '/v1/admin/settings',
    id: 'changeSettings',
    summary: 'Change settings at once and until the next start; all that are named, or none',
    auth: 'admin',
    body: { type: 'object', additionalProperties: { type: 'string', maxLength: 1_000 }, minProperties: 1, maxProperties: 100 },
    answers: SETTINGS,
    problems: ['bad_frame'],
    handle(call, { settings }) {
      settings.set(partsOf<{ body: Record<string, string> }>(call).body, call.actor.uid);
      return { items: settings.list() };
    },
  },
];
