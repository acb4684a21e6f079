import { ERRORS, type ErrorCode, http, PROTOCOL_VERSION } from '@gapless/protocol';
import type { Answer, Route } from './route.ts';

/** Schemas with a name of their own in the document. */
const NAMES = new Map<unknown, string>(Object.entries(http).map(([name, schema]) => [schema, name]));

/** The HTTP API as an OpenAPI 3.1 document, made from the table that the routes are registered from. */
export function describeRoutes(routes: readonly Route[]): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const route of routes) (paths[route.path] ??= {})[route.method.toLowerCase()] = operation(route);
  return {
    openapi: '3.1.0',
    info: {
      title: 'Gapless HTTP API',
      version: PROTOCOL_VERSION,
      description: 'Everything a client may also do without a live connection. The live protocol is in /asyncapi.json.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/' }],
    paths,
    components: {
      schemas: Object.fromEntries([...NAMES].map(([schema, name]) => [name, inside(schema)])),
      securitySchemes: { bearer: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' } },
    },
  };
}

function operation(route: Route): object {
  return {
    operationId: route.id,
    summary: route.summary,
    security: route.auth === 'none' ? [] : [{ bearer: [] }],
    parameters: [...parameters('path', route.params), ...parameters('query', route.query)],
    ...(route.body === undefined
      ? {}
      : { requestBody: { required: true, content: { 'application/json': { schema: refer(route.body) } } } }),
    responses: {
      ...Object.fromEntries(Object.entries(route.answers).map(([status, answer]) => [status, response(answer)])),
      ...problems(route),
    },
  };
}

function parameters(place: 'path' | 'query', schema: object | undefined): object[] {
  const { properties = {}, required = [] } = (schema ?? {}) as { properties?: Record<string, unknown>; required?: readonly string[] };
  return Object.entries(properties).map(([name, of]) => ({ name, in: place, required: required.includes(name), schema: refer(of) }));
}

function response({ says, schema, type = 'application/json' }: Answer): object {
  return schema === undefined ? { description: says } : { description: says, content: { [type]: { schema: refer(schema) } } };
}

/** Every code that the route may answer, by status. */
export function problemCodes(route: Route): ErrorCode[] {
  const codes = new Set<ErrorCode>(['internal', ...(route.problems ?? [])]);
  if (route.path.startsWith('/v1/')) codes.add('store_unavailable');
  if (route.params !== undefined || route.query !== undefined || route.body !== undefined) codes.add('bad_frame');
  if (route.body !== undefined) codes.add('too_large');
  if (route.auth !== 'none') codes.add('unauthorized').add('token_expired');
  if (route.auth === 'admin') codes.add('forbidden');
  return [...codes];
}

function problems(route: Route): Record<string, object> {
  const byStatus = Map.groupBy(problemCodes(route), (code) => ERRORS[code].http);
  const content = { 'application/problem+json': { schema: refer(http.Problem) } };
  return Object.fromEntries(
    [...byStatus]
      .filter(([status]) => !(status in route.answers))
      .map(([status, codes]) => [status, { description: codes.map((code) => `\`${code}\`: ${ERRORS[code].say}`).join('\n'), content }]),
  );
}

/** A schema as the document holds it: named ones by reference. */
function refer(schema: unknown): unknown {
  const name = NAMES.get(schema);
  return name === undefined ? inside(schema) : { $ref: `#/components/schemas/${name}` };
}

function inside(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(refer);
  if (typeof schema !== 'object' || schema === null) return schema;
  return Object.fromEntries(Object.entries(schema).map(([key, value]) => [key, refer(value)]));
}
