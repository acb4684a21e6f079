import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { LiveStreams } from './route.ts';

/** How long a browser need not ask again. */
const PREFLIGHT_MAX_AGE_SEC = 600;

/** On routes that pages of other origins may call: who may not is refused, and all answers can be read, problems too. */
export function checkOrigin(live: LiveStreams | undefined): (request: FastifyRequest, reply: FastifyReply) => Promise<void> {
  return async (request, reply) => {
    if (live !== undefined) reply.headers(live.originHeaders(request.raw));
  };
}

/** What browsers ask before they call `url` from another origin. */
export function answerPreflight(app: FastifyInstance, url: string, method: string, live: LiveStreams | undefined): void {
  app.options(url, { onRequest: checkOrigin(live) }, (_request, reply) =>
    reply
      .headers({
        'access-control-allow-methods': method,
        'access-control-allow-headers': 'authorization, content-type, last-event-id',
        'access-control-max-age': String(PREFLIGHT_MAX_AGE_SEC),
      })
      .code(204)
      .send(),
  );
}
