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
];
