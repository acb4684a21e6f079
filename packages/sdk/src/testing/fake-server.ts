import type { DownFrame, DownFrameOf, http, UpFrame } from '@gapless/protocol';
import type { WebSocketLike } from '../types.ts';
import { type FakeConnection, FakeSocket, FakeStream } from './fake-connection.ts';
import { FakeConversation, type Settled } from './fake-conversation.ts';

// A fake of the server: enough of the protocol to test the client's side of it, in one process, with faults on demand.
// It is no measure of the real one, which has end-to-end tests of its own.

/** A POST takes its time. */
const POST_MS = 20;
/** Who has not said by then who they are is shown the door. */
const AUTH_TIMEOUT_MS = 5_000;

export class FakeServer {
  readonly conversations = new Map<string, FakeConversation>();
  /** Every connection there ever was, the newest last. */
  readonly sockets: FakeConnection[] = [];
  readonly requests: string[] = [];
  /** Token to user; a token that is not here is refused. */
  readonly tokens = new Map([['token-ann', 'ann']]);
  readonly expired = new Set<string>();
  /** Refuses to open sockets. */
  down = false;
  /** What the network does with WebSockets: lets them through, refuses them, or opens them and swallows what they carry, or what goes up. */
  webSocket: 'free' | 'refused' | 'swallowed' | 'swallowed-up' = 'free';
  /** Answers the GET of a stream and its POSTs; by default there is no SSE. The network may swallow the POSTs. */
  sse: boolean | 'swallowed-up' = false;
  /** Looks at each GET of a stream first. */
  onStream: () => Response | undefined = () => undefined;
  /** Looks at each POST of frames first; a response, an error, or undefined. */
  onPost: () => Response | Error | undefined = () => undefined;
  /** Opens, and says nothing. */
  mute = false;
  /** Messages are accepted first; `save` and `settle` say what becomes of them. */
  twoPhase = false;
  private waitMs = 0;
  /** Looks at each frame first; true when it dealt with it. */
  intercept: (socket: FakeConnection, frame: UpFrame) => boolean = () => false;
  /** Looks at each down frame; gives what really goes out. */
  onWire: (frame: DownFrame) => DownFrame[] = (frame) => [frame];
  /** Looks at each request; a response or undefined. */
  onRequest: (method: string, path: string) => Promise<Response> | undefined = () => undefined;

  readonly WebSocket: new (
    url: string,
    protocols?: string | string[],
  ) => WebSocketLike;

  constructor() {
    const server = this;
    this.WebSocket = class extends FakeSocket {
      constructor(url: string, protocols?: string | string[]) {
        super(server, url, protocols);
      }
    };
  }

  /** The connection that lives. */
  get live(): FakeConnection {
    const socket = this.sockets.findLast(({ readyState }) => readyState === 1);
    if (socket === undefined) throw new Error('nobody is connected');
    return socket;
  }

  open(cid: string, users = ['ann', 'bob']): FakeConversation {
    const conversation = new FakeConversation(cid, users);
    this.conversations.set(cid, conversation);
    return conversation;
  }

  /** A message of anyone, fanned out. */
  post(cid: string, from: string, text: string, mid = `${from}-${this.at(cid).messages.length + 1}`): http.Message {
    const conversation = this.at(cid);
    const message = conversation.add({ from, mid, body: { text } }, this.twoPhase ? 'accepted' : undefined);
    this.fanOut(conversation);
    return message;
  }

  /** The oldest `count` of those that are accepted. */
  save(cid: string, count = Number.POSITIVE_INFINITY): void {
    const conversation = this.at(cid);
    for (let n = 0; n < count; n++) {
      const saved = conversation.save();
      if (saved === undefined) return;
      this.fanOut(conversation);
      for (const socket of saved.tell) this.ack(socket, saved);
    }
  }

  /** The epoch is over: of those that are accepted, some are saved and the others lost. */
  settle(cid: string, keep: (n: number) => boolean, reserved = 0): void {
    const conversation = this.at(cid);
    const settled = conversation.settle(keep, reserved);
    this.fanOut(conversation);
    for (const each of settled) for (const socket of each.tell) this.tellSettled(socket, cid, each);
  }

  private tellSettled(socket: FakeConnection, cid: string, { seq, mid, lost }: Settled): void {
    if (!lost) return this.ack(socket, this.at(cid).messages[seq - 1]!);
    socket.down({ t: 'error', code: 'store_unavailable', msg: '', ref: { t: 'send', cid, mid } });
  }

  private ack(socket: FakeConnection, message: http.Message, dup = false): void {
    const { cid, mid, seq, rev, at, stage = 'saved' } = message;
    socket.down({ t: 'ack', cid, mid, pos: seq, rev, stage, at, ...(dup ? { dup: true as const } : {}) });
  }

  private fanOut(conversation: FakeConversation): void {
    const { cid } = conversation;
    this.append(conversation);
    for (const socket of this.connected())
      if (!socket.joined.has(cid)) socket.down({ t: 'conversation', cid, op: 'changed', ...this.countsOf(conversation, socket.user!) });
  }

  edit(cid: string, seq: number, text: string): void {
    // Whatever else takes a rev waits for what is accepted.
    this.save(cid);
    const conversation = this.at(cid);
    const message = { ...conversation.messages[seq - 1]!, rev: conversation.rev + 1, body: { text }, editedAt: 2_000 };
    conversation.messages[seq - 1] = message;
    conversation.log.push({ t: 'message', ...message });
    this.append(conversation);
  }

  change(cid: string, fields: Pick<DownFrameOf<'change'>, 'op' | 'users' | 'role' | 'title'>): void {
    this.save(cid);
    const conversation = this.at(cid);
    if (fields.title !== undefined) conversation.title = fields.title;
    for (const user of fields.users ?? [])
      if (fields.op === 'participants_added') conversation.users.set(user, { lastRead: 0, delivered: 0 });
      else conversation.users.delete(user);
    conversation.log.push({ t: 'change', cid, rev: conversation.rev + 1, by: 'bob', at: 1_000, ...fields });
    this.append(conversation);
  }

  receipt(t: 'delivered' | 'read', cid: string, from: string, pos: number): void {
    for (const socket of this.connected()) if (socket.joined.has(cid)) socket.down({ t, cid, from, pos });
  }

  /** To every connection. */
  tell(frame: DownFrame): void {
    for (const socket of this.connected()) socket.down(frame);
  }

  drop(code = 1006): void {
    for (const socket of this.connected()) socket.end(code);
  }

  frames<T extends UpFrame['t']>(t: T): (UpFrame & { t: T })[] {
    return this.sockets.flatMap(({ received }) => received).filter((frame): frame is UpFrame & { t: T } => frame.t === t);
  }

  private append(conversation: FakeConversation): void {
    for (const socket of this.connected()) {
      const join = socket.joined.get(conversation.cid);
      if (join?.mode === 'push') this.deliver(socket, conversation);
      else if (join?.mode === 'notify') this.notice(socket, conversation, this.waitMs);
    }
  }

  /** All that the connection does not have yet. */
  private deliver(socket: FakeConnection, { cid, log, rev }: FakeConversation): void {
    const join = socket.joined.get(cid)!;
    for (const entry of log.slice(join.rev, rev)) socket.down(entry);
    join.rev = rev;
  }

  private notice(socket: FakeConnection, { cid, head, rev }: FakeConversation, waitMs: number): void {
    socket.down({ t: 'head', cid, head, rev, mode: socket.joined.get(cid)!.mode, waitMs });
  }

  /** How the conversation reaches those who joined it, from here on. */
  setMode(cid: string, mode: DownFrameOf<'head'>['mode'], waitMs = 1_000): void {
    this.waitMs = waitMs;
    for (const socket of this.connected()) {
      const join = socket.joined.get(cid);
      if (join === undefined) continue;
      join.mode = mode;
      this.notice(socket, this.at(cid), waitMs);
      if (mode === 'push') this.deliver(socket, this.at(cid));
    }
  }

  private connected(): FakeConnection[] {
    return this.sockets.filter(({ readyState, user }) => readyState === 1 && user !== undefined);
  }

  at(cid: string): FakeConversation {
    return this.conversations.get(cid)!;
  }

  countsOf(conversation: FakeConversation, user: string): { head: number; unread: number } {
    return { head: conversation.head, unread: Math.max(0, conversation.head - (conversation.users.get(user)?.lastRead ?? 0)) };
  }

  receive(socket: FakeConnection, frame: UpFrame): void {
    if (this.mute || this.intercept(socket, frame)) return;
    switch (frame.t) {
      case 'auth':
        return this.auth(socket, frame.jwt);
      case 'join':
        return this.join(socket, frame, 'join');
      case 'sync':
        for (const wanted of frame.convs) this.join(socket, wanted, 'sync');
        return;
      case 'pull':
        if (socket.joined.has(frame.cid)) this.deliver(socket, this.at(frame.cid));
        return;
      case 'leave':
        socket.joined.delete(frame.cid);
        return;
      case 'send': {
        const { messages } = this.at(frame.cid);
        const known = messages.find(({ mid, from }) => mid === frame.mid && from === socket.user);
        const { seq } = known ?? this.post(frame.cid, socket.user!, String(frame.body.text), frame.mid);
        this.at(frame.cid)
          .unsaved.find((each) => each.seq === seq)
          ?.tell.add(socket);
        return this.ack(socket, messages[seq - 1]!, known !== undefined);
      }
      case 'read':
        this.at(frame.cid).users.get(socket.user!)!.lastRead = frame.pos;
        return;
      case 'ping':
        return socket.down({ t: 'pong', serverTs: 0 });
      default:
        return;
    }
  }

  private auth(socket: FakeConnection, token: string): void {
    const user = this.tokens.get(token);
    if (user === undefined) {
      socket.down({ t: 'error', code: 'unauthorized', msg: 'no' });
      return socket.end(4401);
    }
    socket.user = user;
    socket.down({ t: 'ready', userId: user, device: 'd', conn: `c${this.sockets.length}`, serverTs: 0, heartbeatMs: 15_000, features: [] });
  }

  /** For each connection, when it is there. */
  expectAuth(socket: FakeConnection): void {
    setTimeout(() => {
      if (this.mute || socket.readyState !== 1 || socket.user !== undefined) return;
      socket.down({ t: 'error', code: 'unauthorized', msg: 'No token in time.' });
      socket.end(4401);
    }, AUTH_TIMEOUT_MS);
  }

  private join(socket: FakeConnection, { cid, rev }: { cid: string; rev?: number }, t: string): void {
    const conversation = this.conversations.get(cid);
    const place = conversation?.users.get(socket.user!);
    if (conversation === undefined || place === undefined)
      return socket.down({ t: 'error', code: 'not_participant', msg: 'no', ref: { t, cid } });
    const reset = rev !== undefined && (rev > conversation.rev || rev < conversation.oldestRev);
    const { head, rev: at, saved } = conversation;
    const from = rev === undefined || reset ? at : rev;
    socket.joined.set(cid, { mode: 'push', rev: from });
    const more = { ...(saved < head ? { saved } : {}), ...(reset ? { reset: true as const } : {}) };
    socket.down({ t: 'joined', cid, head, rev: at, lastRead: place.lastRead, ...more });
    this.deliver(socket, conversation);
  }

  private async stream(url: string, { method, body, signal }: RequestInit): Promise<Response> {
    if (this.down) throw new TypeError('fetch failed');
    if (!this.sse) return problem(404, 'not_found');
    if (method !== 'POST') return this.onStream() ?? new FakeStream(this, url, signal).response;
    if (this.sse === 'swallowed-up') return new Promise(() => {});
    await new Promise((resolve) => setTimeout(resolve, POST_MS));
    const stream = this.streams.find(({ conn }) => url.includes(`/${conn}/`));
    if (stream?.readyState !== 1) return problem(404, 'not_found');
    const own = this.onPost();
    if (own instanceof Error) throw own;
    return own ?? stream.post(body as string);
  }

  get streams(): FakeStream[] {
    return this.sockets.filter((socket): socket is FakeStream => socket instanceof FakeStream);
  }

  readonly fetch = (async (input: string, init: RequestInit = {}) => {
    const { pathname, searchParams } = new URL(input);
    const method = init.method ?? 'GET';
    this.requests.push(`${method} ${pathname}`);
    if (pathname.startsWith('/sse')) return this.stream(input, init);
    const own = this.onRequest(method, pathname);
    if (own !== undefined) return own;
    const token = new Headers(init.headers).get('authorization')?.slice(7) ?? '';
    if (this.expired.has(token)) return problem(401, 'token_expired');
    const user = this.tokens.get(token);
    if (user === undefined) return problem(401, 'unauthorized');
    if (this.down) throw new TypeError('fetch failed');
    const [, , resource, cid, rest] = pathname.split('/');
    if (resource !== 'conversations') return problem(404, 'not_found');
    if (cid === undefined) {
      const mine = [...this.conversations.values()].filter(({ users }) => users.has(user));
      return json(
        pageOf(
          mine.map((conversation) => summaryOf(conversation, user)),
          searchParams,
        ),
      );
    }
    const conversation = this.conversations.get(cid);
    if (!conversation?.users.has(user)) return problem(403, 'not_participant');
    if (rest === undefined) return json({ ...summaryOf(conversation, user), participants: participantsOf(conversation) });
    const { head, saved, messages } = conversation;
    const before = Math.min(Number(searchParams.get('before') ?? Number.POSITIVE_INFINITY), head + 1);
    const items = messages.slice(0, before - 1).slice(-Number(searchParams.get('limit') ?? 50));
    return json({ items, head, ...(saved < head ? { saved } : {}) });
  }) as typeof fetch;
}

export function json(value: unknown, status = 200): Response {
  return new Response(JSON.stringify(value), { status });
}

export function problem(status: number, code: string, retryAfterMs?: number): Response {
  return json({ type: 'about:blank', title: code, status, code, requestId: 'r', retryAfterMs }, status);
}

function summaryOf(conversation: FakeConversation, user: string): http.Conversation {
  const { cid, kind, title, head, rev, users, messages } = conversation;
  const lastRead = users.get(user)!.lastRead;
  const last = messages[head - 1];
  return {
    cid,
    kind,
    title,
    head,
    rev,
    lastRead,
    unread: Math.max(0, head - lastRead),
    createdAt: 0,
    updatedAt: last?.at ?? 0,
    participantCount: users.size,
    ...(last === undefined ? {} : { lastMessage: last }),
  };
}

/** Newest activity first; the cursor is the place of the last one, as in the real server. */
function pageOf(all: http.Conversation[], query: URLSearchParams): http.ConversationPage {
  const placeOf = ({ updatedAt, cid }: http.Conversation) => `${String(1e6 - updatedAt).padStart(8, '0')} ${cid}`;
  const after = query.get('cursor') ?? '';
  const rest = all.filter((item) => placeOf(item) > after).sort((a, b) => (placeOf(a) < placeOf(b) ? -1 : 1));
  const items = rest.slice(0, Number(query.get('limit') ?? 50));
  return items.length < rest.length ? { items, next: placeOf(items.at(-1)!) } : { items };
}

function participantsOf({ users }: FakeConversation): http.Participant[] {
  return [...users].map(([userId, { lastRead }]) => ({ userId, displayName: userId, role: 'member', joinedAt: 0, lastRead }));
}
