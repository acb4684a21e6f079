import type { FastifyRequest } from 'fastify';

/** Turns the numbers of a query string into numbers where `schema` wants integers; the schema then judges what is left. */
export function coerceQuery(request: FastifyRequest, schema: object): void {
  const { properties = {} } = schema as { properties?: Record<string, { type?: string }> };
  const query = request.query as Record<string, unknown>;
  for (const [name, { type }] of Object.entries(properties)) {
    const value = query[name];
    if (type === 'integer' && typeof value === 'string' && /^\d{1,16}$/.test(value)) query[name] = Number(value);
  }
}
