import type { IncomingMessage } from 'node:http';
import { ChatError, type TokenVerifier } from '@gapless/core';
import { type Clock, ulid } from '@gapless/kit';
import { asyncApiDocument, FRAME_MAX_BYTES } from '@gapless/protocol';
import { type FastifyBaseLogger, type FastifyInstance, type FastifyRequest, fastify, LogController } from 'fastify';
import { authenticate } from './authenticate.ts';
import { SECURITY_HEADERS } from './headers.ts';
import { describeRoutes } from './openapi.ts';
import { answerPreflight, checkOrigin } from './origin.ts';
import { schemaProblem, sendProblem, writeProblem } from './problem.ts';
import { coerceQuery } from './query.ts';
import { type Admit, Call, type Route, type RouteDeps } from './route.ts';
import { ROUTES } from './routes/index.ts';
import { serveWebApp } from './static.ts';

export interface ApiDeps extends Omit<RouteDeps, 'documents'> {
  verifier: TokenVerifier;
  clock: Clock;
  /** Folder of the built web app; need not exist. */
  webRoot: string;
  logger: FastifyBaseLogger;
  /** Take the client's address from X-Forwarded-For. */
  trustProxy: boolean;
  /** Limits of users on HTTP; absent: none. */
  admit?: Admit;
}

/** A request must have arrived by then: slow senders must not hold sockets. */
const REQUEST_TIMEOUT_MS = 30_000;

/** A room of 128 characters, each up to 12 when percent-encoded. */
const PARAM_MAX_CHARS = 1_536;

/** Answers that no cache may keep. */
const NEVER_KEPT = /^\/(v1|sse)\b/;

/** The HTTP API as a document. */
export function openApiDocument(): object {
  return describeRoutes(ROUTES);
}

/** The HTTP API and the web app, ready to listen. */
export async function createApi(deps: ApiDeps): Promise<FastifyInstance> {
  const { clock, logger, trustProxy, webRoot } = deps;
  const documents = { openApi: JSON.stringify(openApiDocument()), asyncApi: JSON.stringify(asyncApiDocument()) };

  const app: FastifyInstance = fastify({
    loggerInstance: logger,
    logController: new LogController({ disableRequestLogging: true }),
    genReqId: () => ulid(clock.now()),
    // Java's and curl's clients offer `Upgrade: h2c` with plain requests: those are requests.
    http: { shouldUpgradeCallback: ({ headers }: IncomingMessage) => headers.upgrade?.toLowerCase() === 'websocket' },
    bodyLimit: FRAME_MAX_BYTES,
    requestTimeout: REQUEST_TIMEOUT_MS,
    // One hop: what the proxy itself saw. Anything further left in the header is whatever the client wrote there.
    trustProxy: trustProxy && ((_address: string, hop: number) => hop === 0),
    // What arrives while others finish is served too: the stores close after us.
    return503OnClosing: false,
    routerOptions: { maxParamLength: PARAM_MAX_CHARS },
    // Coercing bodies would accept what the live protocol refuses.
    ajv: { customOptions: { removeAdditional: false, coerceTypes: false, useDefaults: false, allowUnionTypes: true } },
    schemaErrorFormatter: schemaProblem,
    frameworkErrors: (error, request, reply) => {
      reply.headers(SECURITY_HEADERS);
      sendProblem(error, request, reply);
    },
    clientErrorHandler: (_error, socket) => writeProblem(socket, clock.now()),
  });

  app.decorateRequest('token', null);
  app.addHook('onRequest', async (request, reply) => {
    reply.headers(SECURITY_HEADERS);
    reply.header('x-request-id', request.id);
    // By route too: an address may be spelled with percent signs.
    if (NEVER_KEPT.test(request.url) || NEVER_KEPT.test(request.routeOptions.url ?? '')) reply.header('cache-control', 'no-store');
  });
  app.setErrorHandler((error, request, reply) => sendProblem(error, request, reply));
  parseJson(app);
  for (const route of ROUTES) register(app, route, { ...deps, documents });
  await serveWebApp(app, webRoot);
  await app.ready();
  return app;
}

function register(app: FastifyInstance, route: Route, deps: ApiDeps & RouteDeps): void {
  const { method, path, auth, browsers, params, query, body } = route;
  const url = path.replace(/\{(\w+)\}/g, ':$1');
  const onlyWithToken = (request: FastifyRequest) => authenticate(request, route, deps);
  if (browsers) answerPreflight(app, url, method, deps.live);
  app.route({
    method,
    url,
    schema: { ...(params && { params }), ...(query && { querystring: query }), ...(body && { body }) },
    // First of all hooks with a body in reach: who may not come in is not listened to.
    onRequest: [...(browsers ? [checkOrigin(deps.live)] : []), ...(auth === 'none' ? [] : [onlyWithToken])],
    preValidation: query === undefined ? [] : async (request) => coerceQuery(request, query),
    handler: async (request, reply) => route.handle(new Call(request, reply), deps),
  });
}

/** Bytes that are no UTF-8 would be stored as something that nobody sent. */
const utf8 = new TextDecoder('utf-8', { fatal: true });

/** JSON is the only type. An empty body is no body: clients name a type even where they send none. */
function parseJson(app: FastifyInstance): void {
  const parse = app.getDefaultJsonParser('error', 'error');
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, bytes, done) => {
    if (bytes.length === 0) return done(null, undefined);
    const refuse = () => done(new ChatError('bad_frame', { say: 'body: is not valid JSON' }));
    let text: string;
    try {
      text = utf8.decode(bytes as Buffer);
    } catch {
      return refuse();
    }
    parse(request, text, (error, value) => (error ? refuse() : done(null, value)));
  });
}
