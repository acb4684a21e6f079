import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import type { Accounts, Actor, Chat, VerifiedToken } from '@gapless/core';
import { assert } from '@gapless/kit';
import type { ErrorCode } from '@gapless/protocol';
import type { FastifyReply, FastifyRequest, HTTPMethods } from 'fastify';

/** What log lines of successes are written: a share of all, and everything of some conversations. */
export interface LogSampling {
  get(): { rate: number; cids: readonly string[] };
  set(rules: { rate: number; cids: readonly string[] }): void;
}

/** Settings that can be changed while running, as text; the next start has the old values again. */
export interface LiveSettings {
  list(): readonly { name: string; value: string; default: string; values: string; help: string }[];
  /** All or none. @throws ChatError bad_frame */
  set(changes: Readonly<Record<string, string>>, by: string): void;
}

export interface Readiness {
  readonly ok: boolean;
  readonly checks: Readonly<Record<string, string>>;
}

/** Ephemeral rooms, as far as the app's backend speaks to them. */
export interface RoomNotices {
  /** To everyone in the room now. @throws ChatError bad_frame | server_busy */
  system(room: string, data: Readonly<Record<string, unknown>>): Promise<void>;
}

/** Live connections over plain HTTP. */
export interface LiveStreams {
  /** What goes with an answer to a request of this origin. @throws ChatError forbidden */
  originHeaders(request: IncomingMessage): Readonly<Record<string, string>>;
  /** Takes the response over, and sends `headers` with it; resolves when it has begun. @throws ChatError server_busy | rate_limited */
  open(stream: { request: IncomingMessage; response: ServerResponse; headers: OutgoingHttpHeaders; ip: string }): Promise<void>;
  /** Frames of a client; resolves when they are taken. @throws ChatError not_found | unauthorized | token_expired | forbidden | server_busy */
  receive(conn: string, frames: readonly unknown[], authorization: string | undefined): Promise<void>;
}

/** Asked once the token is checked and before anything else is done. @throws ChatError rate_limited */
export type Admit = (call: { uid: string; role: Actor['role']; ip: string; operation: string }) => void;

/** What handlers work with. */
export interface RouteDeps {
  chat: Chat;
  accounts: Accounts;
  readiness(): Promise<Readiness>;
  metricsText(): Promise<{ contentType: string; body: string }>;
  logSampling: LogSampling;
  settings: LiveSettings;
  /** Absent: there are none, `not_found`. */
  rooms?: RoomNotices;
  /** Absent: there are none, `not_found`. */
  live?: LiveStreams;
  /** The API's own descriptions, as JSON text. */
  documents: { readonly openApi: string; readonly asyncApi: string };
}

/** One route, from which both the server and its OpenAPI document are made. */
export interface Route {
  readonly method: HTTPMethods & ('GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE');
  /** With `{name}` for parameters. */
  readonly path: string;
  /** Name of the operation for generated clients. */
  readonly id: string;
  readonly summary: string;
  /** Who may call; `admin` is the app's backend. Checked before anything of the request is read. */
  readonly auth: 'none' | 'user' | 'admin';
  /** Pages of other origins may call it, as far as the settings allow them to. */
  readonly browsers?: true;
  readonly params?: object;
  readonly query?: object;
  readonly body?: object;
  /** Successes by status: what it says; without `schema` there is no body. */
  readonly answers: Readonly<Record<number, Answer>>;
  /** Codes beyond those that its kind of route has anyway. */
  readonly problems?: readonly ErrorCode[];
  handle(call: Call, deps: RouteDeps): unknown;
}

export type Answer = { readonly says: string; readonly schema?: object; readonly type?: string };

/** A request whose token and shape are checked already. */
export class Call {
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;

  constructor(request: FastifyRequest, reply: FastifyReply) {
    this.request = request;
    this.reply = reply;
  }

  get token(): VerifiedToken {
    assert(this.request.token, 'the route has auth');
    return this.request.token;
  }

  get actor(): Actor {
    const { uid, role } = this.token;
    return { uid, role };
  }
}

/** What a route with `params`, `query` or `body` gets of them; the schema beside it vouches for the type. */
interface Parts {
  params?: unknown;
  query?: unknown;
  body?: unknown;
}

/** The checked parts of a call. */
export function partsOf<P extends Parts>(call: Call): P {
  const { params, query, body } = call.request;
  return { params, query, body } as P;
}
