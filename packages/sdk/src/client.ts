import type { DownFrame, DownFrameOf } from '@gapless/protocol';
import { Connection } from './connection.ts';
import { LiveConversation } from './conversation.ts';
import { LiveConversationList } from './conversation-list.ts';
import { retryOf } from './errors.ts';
import { createHttpApi, createRequest } from './http.ts';
import { callListener } from './observable.ts';
import { memoryOutbox } from './outbox.ts';
import { Positions } from './positions.ts';
import { PresenceBoard } from './presence.ts';
import { SendQueue } from './send-queue.ts';
import { syncFrames } from './sync.ts';
import { sseDialer } from './transport/sse.ts';
import type { CloseCause, Dialer } from './transport/transport.ts';
import { type WebSocketClass, webSocketDialer } from './transport/web-socket.ts';
import type { Client, ClientEvents, ClientOptions, ConnectionState, HttpApi } from './types.ts';
import { ulid } from './ulid.ts';

/** Before a refused join, ack or read is tried again, when the server names no time. */
const RETRY_MS = 1_000;

export function createClient(options: ClientOptions): Client {
  return new LiveClient(options);
}

/** Wires the parts together and hands each frame to whom it concerns; holds no state of its own but the listeners. */
class LiveClient implements Client {
  readonly http: HttpApi;
  readonly conversations: LiveConversationList;
  readonly #connection: Connection;
  readonly #queue: SendQueue;
  readonly #presence: PresenceBoard;
  readonly #positions = new Positions<LiveConversation>((conversation) => conversation.tellPositions());
  readonly #conversations = new Map<string, LiveConversation>();
  readonly #listeners = new Map<keyof ClientEvents, Set<(...args: never[]) => void>>();
  readonly #onOnline = () => this.#connection.networkChanged();
  #userId: string | undefined;
  #rejoinTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(options: ClientOptions) {
    const { getToken } = options;
    this.http = this.#watched(createHttpApi(createRequest(options.url, options.fetch), getToken));
    this.conversations = new LiveConversationList(this.http);
    this.#connection = new Connection({
      dialers: dialersOf(options),
      device: options.device ?? ulid(),
      getToken,
      onReady: (frame, { seamless }) => this.#onReady(frame, seamless),
      onFrame: (frame) => this.#onFrame(frame),
      onState: (state, reason) => this.#onState(state, reason),
    });
    this.#presence = new PresenceBoard((frame) => this.#connection.send(frame));
    this.#queue = new SendQueue({
      outbox: options.outbox ?? memoryOutbox(),
      window: options.sendWindow ?? 1,
      send: (frame) => this.#connection.send(frame),
      onChange: (cid) => this.conversation(cid).onQueueChanged(),
    });
  }

  get userId(): string | undefined {
    return this.#userId;
  }

  get state(): ConnectionState {
    return this.#connection.state;
  }

  get connection(): Client['connection'] {
    return this.#connection.observable;
  }

  get presence(): Client['presence'] {
    return this.#presence.observable;
  }

  connect(): void {
    globalThis.addEventListener?.('online', this.#onOnline);
    this.#connection.connect();
  }

  close(): void {
    this.#connection.close();
  }

  on<K extends keyof ClientEvents>(event: K, listener: ClientEvents[K]): () => void {
    let listeners = this.#listeners.get(event);
    if (listeners === undefined) this.#listeners.set(event, (listeners = new Set()));
    const entry = (...args: never[]) => (listener as (...args: never[]) => void)(...args);
    listeners.add(entry);
    return () => void listeners.delete(entry);
  }

  #emit<K extends keyof ClientEvents>(event: K, ...args: Parameters<ClientEvents[K]>): void {
    for (const listener of [...(this.#listeners.get(event) ?? [])]) callListener(listener as (...args: unknown[]) => void, ...args);
  }

  conversation(cid: string): LiveConversation {
    let conversation = this.#conversations.get(cid);
    if (conversation === undefined) {
      conversation = new LiveConversation(cid, {
        http: this.http,
        queue: this.#queue,
        userId: () => this.#userId,
        send: (frame) => this.#connection.send(frame),
        onMessage: (message) => this.#emit('message', message),
        onChange: (frame) => this.#emit('change', frame),
        onActivity: (id, message) => this.conversations.onActivity(id, message),
        onDetailChanged: (id) => this.conversations.refetch(id),
        onRead: (id, lastRead) => this.conversations.onRead(id, lastRead),
        positionsChanged: (changed) => this.#positions.touch(changed),
      });
      this.#conversations.set(cid, conversation);
    }
    return conversation;
  }

  watchPresence(users: readonly string[]): () => void {
    return this.#presence.watch(users);
  }

  #onState(state: ConnectionState, reason: CloseCause | undefined): void {
    // Whatever it was, nothing of a connection before holds any more; what was asked for without one was not sent.
    this.#onOffline();
    if (state === 'closed') this.#onClosed();
    if (reason === undefined) this.#emit('state', state);
    else this.#emit('state', state, reason);
  }

  #onOffline(): void {
    clearTimeout(this.#rejoinTimer);
    this.#rejoinTimer = undefined;
    this.#queue.pause();
    this.#positions.stop();
    for (const conversation of this.#conversations.values()) conversation.onDisconnect();
  }

  #onClosed(): void {
    globalThis.removeEventListener?.('online', this.#onOnline);
    this.#queue.close();
    this.conversations.stop();
    for (const conversation of this.#conversations.values()) conversation.stop();
  }

  /** The order matters: joins first, so that what is sent comes back to a conversation that listens. */
  #onReady({ userId }: DownFrameOf<'ready'>, seamless: boolean): void {
    // The token is another user's now: what waits to be sent is not theirs.
    if (this.#userId !== undefined && this.#userId !== userId) return this.close();
    // No state tells of a replacement. Any other connection was told as one, and the app may have asked for something on it already.
    if (seamless) this.#onOffline();
    if (this.#userId !== userId) {
      this.#userId = userId;
      // Unsent messages are of this user.
      for (const conversation of this.#conversations.values()) conversation.onQueueChanged();
    }
    this.#join([...this.#conversations.values()].filter(({ wanted }) => wanted));
    this.#queue.resume();
    this.#presence.resume();
    for (const conversation of this.#conversations.values()) if (conversation.hasPositionsToTell) this.#positions.touch(conversation);
    void (seamless ? this.conversations.refresh() : this.conversations.reload());
  }

  #join(conversations: readonly LiveConversation[]): void {
    for (const frame of syncFrames(conversations.map((conversation) => conversation.joinRequest()))) this.#connection.send(frame);
  }

  #onFrame(frame: DownFrame): void {
    const conversation = 'cid' in frame ? this.#conversations.get(frame.cid) : undefined;
    switch (frame.t) {
      case 'joined':
        return conversation?.onJoined(frame);
      case 'message':
        return conversation?.onMessage(frame);
      case 'change':
        return conversation?.onChangeFrame(frame);
      case 'delivered':
      case 'read':
        return conversation?.onReceipt(frame);
      case 'typing':
        return conversation?.onTyping(frame);
      case 'behind':
        return conversation?.onBehind(frame);
      case 'head':
        this.conversations.onHead(frame);
        return conversation?.onHead(frame);
      case 'ack':
        this.#queue.onAck(frame);
        return conversation?.onAck(frame);
      case 'presence':
        this.#presence.onFrame(frame);
        return this.#emit('presence', frame);
      case 'conversation':
        return this.#onConversation(frame, conversation);
      case 'error':
        return this.#onError(frame);
      case 'kick':
        return this.#emit('kick', frame);
      default:
        // Frames of a newer server, and those the connection deals with.
        return undefined;
    }
  }

  #onConversation(frame: DownFrameOf<'conversation'>, conversation: LiveConversation | undefined): void {
    this.conversations.onFrame(frame, { joined: conversation?.joined ?? false });
    if (frame.op === 'changed') conversation?.onNotice(frame);
    if (frame.op === 'removed') conversation?.fail('not_participant');
    // In again: what was refused before is welcome now. That it was added may not have been told.
    else if (conversation?.wanted && !conversation.joined && (frame.op === 'added' || conversation.refused)) this.#join([conversation]);
    this.#emit('conversation', frame);
  }

  #onError(frame: DownFrameOf<'error'>): void {
    const { code, ref, retryAfterMs = RETRY_MS } = frame;
    const final = retryOf(code) === 'never';
    const conversation = ref?.cid === undefined ? undefined : this.#conversations.get(ref.cid);
    if (ref?.t === 'send') this.#queue.onError(frame);
    else if (ref?.t === 'join' || ref?.t === 'sync') {
      // Two requests for one conversation were on their way, and the other one was answered: the server left it all the same.
      const left = this.#asked(ref.cid).filter((each) => each.onJoinRefused({ named: ref.cid !== undefined }));
      if (!final || left.length > 0) this.#rejoinLater(retryAfterMs);
      else conversation?.fail(code);
    } else if ((ref?.t === 'ack' || ref?.t === 'read') && !final && conversation !== undefined) {
      const { t } = ref;
      setTimeout(() => conversation.onPositionError(t), retryAfterMs);
    } else if (ref?.t === 'pull' && !final) conversation?.onPullError(retryAfterMs);
    else if (ref?.t === 'presence' && !final) setTimeout(() => this.#presence.resume(), retryAfterMs);
    this.#emit('error', frame);
  }

  /** Whom a refusal may be about: that of a whole `sync` does not say. */
  #asked(cid: string | undefined): LiveConversation[] {
    return [...this.#conversations.values()].filter((each) => (cid === undefined ? each.joinPending : each.cid === cid));
  }

  /** All that are wanted and not joined. */
  #rejoinLater(delayMs: number): void {
    this.#rejoinTimer ??= setTimeout(() => {
      this.#rejoinTimer = undefined;
      this.#join([...this.#conversations.values()].filter(({ wanted, joined }) => wanted && !joined));
    }, delayMs);
  }

  /** What this client creates, or hears of one conversation, shows in its list at once. */
  #watched(api: HttpApi): HttpApi {
    return {
      ...api,
      conversation: async (cid) => {
        const detail = await api.conversation(cid);
        this.conversations.onDetail(detail);
        return detail;
      },
      createConversation: async (request) => {
        const detail = await api.createConversation(request);
        this.conversations.insert(detail);
        return detail;
      },
    };
  }
}

function dialersOf({ url, transport = 'auto', fetch = globalThis.fetch, ...options }: ClientOptions): Dialer[] {
  const sse = sseDialer(url, (...args) => fetch(...args));
  if (transport === 'sse') return [sse];
  const WebSocket = options.WebSocket ?? (globalThis.WebSocket as WebSocketClass | undefined);
  if (WebSocket === undefined) throw new TypeError('There is no global WebSocket here: give the class from `ws` in the options.');
  const webSocket = webSocketDialer(url, WebSocket);
  return transport === 'auto' ? [webSocket, sse] : [webSocket];
}
