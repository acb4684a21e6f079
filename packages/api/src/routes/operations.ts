import type { Route } from '../route.ts';
import { JSON_TYPE } from './shared.ts';

const Checks = {
  type: 'object',
  properties: { ok: { type: 'boolean' }, checks: { type: 'object', additionalProperties: { type: 'string' } } },
  required: ['ok', 'checks'],
} as const;

const ANY_OBJECT = { type: 'object' } as const;

export const operationRoutes: readonly Route[] = [
  {
    method: 'GET',
    path: '/livez',
    id: 'livez',
    summary: 'Whether the process answers at all',
    auth: 'none',
    answers: { 200: { says: 'It does.', schema: Checks } },
    handle: () => ({ ok: true, checks: {} }),
  },
  {
    method: 'GET',
    path: '/readyz',
    id: 'readyz',
    summary: 'Whether to send traffic here',
    auth: 'none',
    answers: { 200: { says: 'Ready.', schema: Checks }, 503: { says: 'Not now; `checks` says why.', schema: Checks } },
    async handle({ reply }, { readiness }) {
      const found = await readiness();
      return reply.code(found.ok ? 200 : 503).send(found);
    },
  },
  {
    method: 'GET',
    path: '/metrics',
    id: 'metrics',
    summary: 'Metrics in the Prometheus text format',
    auth: 'none',
    answers: { 200: { says: 'Metrics.', type: 'text/plain', schema: { type: 'string' } } },
    async handle({ reply }, { metricsText }) {
      const { contentType, body } = await metricsText();
      return reply.type(contentType).send(body);
    },
  },
  {
    method: 'GET',
    path: '/openapi.json',
    id: 'openapi',
    summary: 'This document',
    auth: 'none',
    answers: { 200: { says: 'OpenAPI 3.1.', schema: ANY_OBJECT } },
    handle: ({ reply }, { documents }) => reply.type(JSON_TYPE).send(documents.openApi),
  },
  {
    method: 'GET',
    path: '/asyncapi.json',
    id: 'asyncapi',
    summary: 'The live protocol',
    auth: 'none',
    answers: { 200: { says: 'AsyncAPI 3.0.', schema: ANY_OBJECT } },
    handle: ({ reply }, { documents }) => reply.type(JSON_TYPE).send(documents.asyncApi),
  },
];
