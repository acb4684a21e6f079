import type { Duplex } from 'node:stream';
import { ChatError } from '@gapless/core';
import { ulid } from '@gapless/kit';
import { ERRORS, type ErrorCode, type http } from '@gapless/protocol';
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';

const PROBLEM_TYPE = 'application/problem+json';

/** An error of the protocol as RFC 9457 wants it. */
function problemOf(error: ChatError, requestId: string): http.Problem {
  return {
    type: `urn:gapless:error:${error.code}`,
    title: ERRORS[error.code].say,
    status: error.http,
    detail: error.message,
    code: error.code,
    requestId,
    ...(error.retryAfterMs === undefined ? {} : { retryAfterMs: error.retryAfterMs }),
  };
}

/** The only way an error leaves: known ones by their code, anything else as `internal` with the truth in the log alone. */
export function sendProblem(thrown: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const error = asChatError(thrown);
  if (error.code === 'server_busy') {
    request.log.warn({ why: error.message, method: request.method, route: request.routeOptions.url }, 'request put off');
  } else if (error.http >= 500) {
    const { method, routeOptions } = request;
    request.log.error({ err: error.cause ?? error, code: error.code, method, route: routeOptions.url }, 'request failed');
  } else if (REFUSALS.includes(error.http)) {
    // The route, never the address: addresses hold ids, and sometimes tokens.
    const { method, routeOptions, ip, token } = request;
    const why = error.cause instanceof Error ? error.cause.message : error.code;
    request.log.info({ code: error.code, why, method, route: routeOptions.url, ip, uid: token?.uid }, 'request refused');
  }
  if (error.http === 401) reply.header('www-authenticate', 'Bearer');
  if (error.retryAfterMs !== undefined) reply.header('retry-after', String(Math.ceil(error.retryAfterMs / 1000)));
  return reply
    .code(error.http)
    .type(PROBLEM_TYPE)
    .send(JSON.stringify(problemOf(error, request.id)));
}

/** Statuses of someone who tries what they may not. */
const REFUSALS: readonly number[] = [401, 403, 429];

/** What Fastify throws before a handler runs, in our codes. */
const FASTIFY_CODES: Readonly<Record<string, { code: ErrorCode; say?: string }>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: { code: 'too_large' },
  FST_ERR_CTP_INVALID_MEDIA_TYPE: { code: 'bad_frame', say: 'content-type: must be application/json' },
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: { code: 'bad_frame', say: 'content-length: does not fit the body' },
  FST_ERR_BAD_URL: { code: 'bad_frame', say: 'path: is not a valid URL' },
};

function asChatError(thrown: unknown): ChatError {
  if (thrown instanceof ChatError) return thrown;
  const { code = '', statusCode = 500 } = (thrown ?? {}) as Partial<FastifyError>;
  const known = FASTIFY_CODES[code];
  if (known !== undefined) return new ChatError(known.code, known);
  if (statusCode >= 400 && statusCode < 500) return new ChatError('bad_frame', { say: 'The request is not valid.', cause: thrown });
  return new ChatError('internal', { cause: thrown });
}

interface SchemaMistake {
  instancePath?: string;
  message?: string;
  keyword: string;
  params: Record<string, unknown>;
}

/** `field.sub: what is wrong`, without the value. */
export function schemaProblem(mistakes: readonly SchemaMistake[], part: string): ChatError {
  const [first] = mistakes;
  const missing = first?.keyword === 'required' ? String(first.params.missingProperty) : '';
  const path = [(first?.instancePath ?? '').slice(1).replaceAll('/', '.'), missing].filter(Boolean).join('.');
  return new ChatError('bad_frame', { say: `${path || part}: ${missing ? 'is required' : (first?.message ?? 'does not fit its schema')}` });
}

/** Answers bytes that are no HTTP request, or came too slowly; there is neither request nor reply yet. */
export function writeProblem(socket: Duplex, nowMs: number): void {
  if (!socket.writable) return void socket.destroy();
  const body = JSON.stringify(problemOf(new ChatError('bad_frame', { say: 'This is not a valid HTTP request.' }), ulid(nowMs)));
  const head = `HTTP/1.1 400 Bad Request\r\nContent-Type: ${PROBLEM_TYPE}\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close`;
  // Whoever sends such bytes need not close either: the socket goes once the answer is handed to the system.
  socket.end(`${head}\r\n\r\n${body}`, () => socket.destroy());
}
