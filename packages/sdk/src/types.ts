import type { ConversationKind, DownFrameOf, http } from '@gapless/protocol';
import type { TransportName } from './transport/transport.ts';

export type { TransportName } from './transport/transport.ts';

// The public face of the SDK. Implementations stand in the files named after each interface.

/**
 * idle → connecting → online; online → waiting (backoff) → connecting; any → closed.
 * `online` means `ready` was received, not merely that a socket is open. `closed` is final until `connect()`.
 */
export type ConnectionState = 'idle' | 'connecting' | 'online' | 'waiting' | 'closed';

export interface ConnectionSnapshot {
  readonly state: ConnectionState;
  /** Of the live connection; may change while `online`. */
  readonly transport: TransportName | undefined;
  /** Epoch ms of the next try, while waiting. */
  readonly retryAt?: number;
}

export interface ClientOptions {
  /** Origin of the server: `https://chat.example.org`. */
  url: string;
  /** Called before every connect and when a token expires. Resolving to undefined ends the session: `closed`. */
  getToken: () => Promise<string | undefined>;
  /** One installation: kept by the app between runs. A random one when absent. */
  device?: string;
  /** Where unsent messages survive a reload; memory when absent. */
  outbox?: OutboxStorage;
  /** For Node below 22: the class from `ws`. */
  WebSocket?: new (
    url: string,
    protocols?: string | string[],
  ) => WebSocketLike;
  fetch?: typeof fetch;
  /** `auto`, the default: WebSocket, and where none gets through SSE, until one does. */
  transport?: 'auto' | TransportName;
  /**
   * Unacked messages of one conversation on the wire, default 1. With more, many are sent quicker, but one that the server refuses
   * for a moment may end up behind the next.
   */
  sendWindow?: number;
}

/** The part of a WebSocket the SDK uses. */
export interface WebSocketLike {
  readonly readyState: number;
  send(data: string): void;
  close(code?: number, reason?: string): void;
  onopen: ((event: unknown) => void) | null;
  onmessage: ((event: { data: unknown }) => void) | null;
  onclose: ((event: { code: number; reason: string }) => void) | null;
  onerror: ((event: unknown) => void) | null;
}

export interface OutboxItem {
  readonly cid: string;
  readonly mid: string;
  readonly kind: string;
  readonly body: Record<string, unknown>;
  readonly replyTo?: number;
  readonly threadRoot?: number;
  readonly mentions?: string[];
  /** Epoch milliseconds of the call to `send`. */
  readonly createdAt: number;
  /** Refused for good with this code: kept to be shown, and not sent unless tried again. */
  readonly failed?: string;
}

/** Durable, in order. An item is removed once its message is saved or dropped; `put` of a known mid replaces it. */
export interface OutboxStorage {
  load(): Promise<OutboxItem[]>;
  put(item: OutboxItem): Promise<void>;
  remove(cid: string, mid: string): Promise<void>;
}

/**
 * sending → sent (saved) → delivered → read; sending → failed (a final error; `retry` sends it again). Others' messages have none.
 *
 * Where the server acknowledges in two phases, sending → accepted → sent: it has its number and is not saved yet. In a disaster the
 * number is lost, and it is `sending` again by itself.
 */
export type MessageStatus = 'sending' | 'accepted' | 'sent' | 'delivered' | 'read' | 'failed';

export interface Message {
  readonly cid: string;
  readonly mid: string;
  readonly from: string;
  readonly kind: string;
  readonly body: Record<string, unknown>;
  /** Server time; the local time while unsent. Epoch milliseconds. */
  readonly at: number;
  /** Absent until the server gave it. */
  readonly seq?: number;
  readonly status?: MessageStatus;
  /** Why it failed: an error code of the protocol. */
  readonly error?: string;
  readonly replyTo?: number;
  readonly threadRoot?: number;
  readonly mentions?: readonly string[];
  readonly editedAt?: number;
  readonly recalledAt?: number;
  /** It has its number and was not saved when this client last heard of it. Absent: saved. */
  readonly stage?: 'accepted';
}

/** A value that changes; the pair fits React's `useSyncExternalStore`. Snapshots are immutable and stable between changes. */
export interface Observable<T> {
  subscribe(listener: () => void): () => void;
  getSnapshot(): T;
}

/** Without `saved`, which would be older than the rest as soon as messages come. */
export type ConversationSummary = Omit<http.Conversation, 'saved'>;

export interface ConversationListSnapshot {
  /** Newest activity first. */
  readonly items: readonly ConversationSummary[];
  readonly loaded: boolean;
  /** Whether `loadMore` would find more. */
  readonly hasMore: boolean;
}

/** All conversations of the user, kept up to date with unread counts and last messages. */
export interface ConversationList extends Observable<ConversationListSnapshot> {
  loadMore(): Promise<void>;
}

export interface TimelineSnapshot {
  /**
   * In seq order, unsent ones last. No seq and no mid twice, no seq missing between the first and the last. One of kind `lost` holds the
   * place of a number whose message was lost before it was saved.
   */
  readonly messages: readonly Message[];
  /** `reset` of the server, or the first page: nothing is shown yet. */
  readonly loaded: boolean;
  readonly hasOlder: boolean;
  readonly head: number;
  readonly lastRead: number;
  readonly unread: number;
  /** Who types now, without oneself. */
  readonly typing: readonly string[];
  /** The other participants' positions. */
  readonly receipts: ReadonlyMap<string, { readonly delivered: number; readonly read: number }>;
  readonly participants: readonly http.Participant[];
  readonly title?: string;
  readonly kind?: ConversationKind;
  /** Set when the user was removed, or never was in it. */
  readonly error?: string;
}

export interface NewMessage {
  kind?: string;
  body: Record<string, unknown>;
  replyTo?: number;
  threadRoot?: number;
  mentions?: string[];
}

/** One conversation, joined while open. `open` counts: each call needs one `close`. */
export interface Conversation extends Observable<TimelineSnapshot> {
  readonly cid: string;
  /** Joins, loads the newest page, and stays joined over reconnects. */
  open(): void;
  close(): void;
  /** Shows at once as `sending`; resolves when saved, rejects with GaplessError when it failed for good. */
  send(message: NewMessage): Promise<Message>;
  /** Sends a failed message again, with the same mid. */
  retry(mid: string): void;
  /** Drops a failed message. */
  discard(mid: string): void;
  loadOlder(): Promise<void>;
  /** Marks read up to `seq` (default: the newest seen). Merged: at most one frame a moment. */
  markRead(seq?: number): void;
  /** Call on each key press; sends `on` at most every 3 s and `off` after 4 s without one, or at once with `false`. */
  typing(on: boolean): void;
}

export interface ClientEvents {
  state: (state: ConnectionState, reason?: { code: number; reason: string }) => void;
  /** Every new message of joined conversations, each once, in seq order; none of kind `lost`. Not called for pages of history. */
  message: (message: Message) => void;
  change: (change: DownFrameOf<'change'>) => void;
  conversation: (frame: DownFrameOf<'conversation'>) => void;
  presence: (frame: DownFrameOf<'presence'>) => void;
  kick: (frame: DownFrameOf<'kick'>) => void;
  error: (frame: DownFrameOf<'error'>) => void;
}

export type UserPresence = { readonly state: 'online' | 'offline'; readonly lastSeen?: number };

export interface Client {
  /** Known once `online`. */
  readonly userId: string | undefined;
  readonly state: ConnectionState;
  connect(): void;
  /** Ends the connection; unsent messages stay in the outbox. */
  close(): void;
  on<K extends keyof ClientEvents>(event: K, listener: ClientEvents[K]): () => void;
  readonly connection: Observable<ConnectionSnapshot>;
  readonly conversations: ConversationList;
  /** The same object for the same cid. */
  conversation(cid: string): Conversation;
  /** Presence of `users` while the returned function is not called; watches of several callers are merged. */
  watchPresence(users: readonly string[]): () => void;
  readonly presence: Observable<ReadonlyMap<string, UserPresence>>;
  readonly http: HttpApi;
}

/** The HTTP API with the client's token. Every call rejects with GaplessError. */
export interface HttpApi {
  me(): Promise<http.Me>;
  createConversation(request: http.CreateConversationRequest): Promise<http.ConversationDetail>;
  conversation(cid: string): Promise<http.ConversationDetail>;
  conversations(page?: { cursor?: string; limit?: number }): Promise<http.ConversationPage>;
  addParticipants(cid: string, userIds: string[], role?: 'admin' | 'member'): Promise<void>;
  removeParticipant(cid: string, userId: string): Promise<void>;
  updateConversation(cid: string, changes: { title: string }): Promise<void>;
  messages(cid: string, page?: { after?: number; before?: number; limit?: number }): Promise<http.MessagePage>;
  logout(): Promise<void>;
  /** Where the user is signed in, last seen first. */
  sessions(): Promise<http.Session[]>;
  /** Ends one of these: its connections close at once with `kick`. */
  signOutSession(sid: string): Promise<void>;
  /** Ends all of these but the own one. */
  signOutOthers(): Promise<void>;
}

/**
 * Local accounts: signs in, keeps the refresh token in `storage`, refreshes ahead of expiry and once at a time over all callers.
 * `getToken` fits ClientOptions.
 */
export interface Account {
  readonly userId: string | undefined;
  /** `device`: what the list of sign-ins shows; without it the server describes the browser. */
  register(account: { username: string; password: string; displayName?: string; device?: string }): Promise<void>;
  login(account: { username: string; password: string; device?: string }): Promise<void>;
  logout(): Promise<void>;
  getToken(): Promise<string | undefined>;
}

export interface AccountOptions {
  url: string;
  /** Where the session survives a reload; memory when absent. `localStorage` fits. */
  storage?: Pick<Storage, 'getItem' | 'setItem' | 'removeItem'>;
  fetch?: typeof fetch;
}
