import type { DownFrame, DownFrameOf, UpFrame } from '@gapless/protocol';
import { CLOSE, type Reconnect } from '@gapless/protocol/codes';
import { Backoff } from './backoff.ts';
import { Derived } from './observable.ts';
import type { ConnectionState, WebSocketLike } from './types.ts';

const SUBPROTOCOL = 'gapless.v1.json';
/** Dial, upgrade and `ready` together. */
const CONNECT_TIMEOUT_MS = 15_000;
/** For the answer to a `ping`: a slow phone network, with some slack. */
const PONG_TIMEOUT_MS = 5_000;
const OPEN = 1;

export interface CloseCause {
  readonly code: number;
  readonly reason: string;
}

export interface ConnectionOptions {
  readonly url: string;
  readonly device: string;
  readonly getToken: () => Promise<string | undefined>;
  readonly WebSocket: new (url: string, protocols?: string | string[]) => WebSocketLike;
  /** A new connection is there: nothing of the one before holds any more. */
  readonly onReady: (frame: DownFrameOf<'ready'>) => void;
  readonly onFrame: (frame: DownFrame) => void;
  readonly onState: (state: ConnectionState, reason?: CloseCause) => void;
}

/**
 * One live connection at a time, kept up.
 *
 * 1. connecting: token, socket, first frame `auth`; online only at `ready`.
 * 2. A close code decides what follows (CLOSE); an unknown one, or none, means: again, after the backoff.
 * 3. The backoff starts over at `ready`, never at a mere open.
 * 4. Silence of two heartbeats is answered with a `ping`; silence after that drops the socket.
 * 5. A token that expires is replaced on the same connection; its second `ready` is no new connection.
 *
 * What a dropped socket still says is never heard: each attempt has its own number.
 */
export class Connection {
  readonly #options: ConnectionOptions;
  readonly #backoff = new Backoff();
  #state: ConnectionState = 'idle';
  #retryAt: number | undefined;
  #socket: WebSocketLike | undefined;
  /** Of the current attempt; whatever belongs to another one is stale. */
  #attempt = 0;
  #token: string | undefined;
  /** Refused by the server, how often in a row. Once may be a first frame that came too late; twice is an answer. */
  #refused: { token: string | undefined; times: number } | undefined;
  /** One at a time: retry while waiting, timeout while connecting, silence while online. */
  #timer: ReturnType<typeof setTimeout> | undefined;
  #goawayTimer: ReturnType<typeof setTimeout> | undefined;
  #heartbeatMs = 0;
  #heardAt = 0;

  readonly observable = new Derived(() =>
    this.#retryAt === undefined ? { state: this.#state } : { state: this.#state, retryAt: this.#retryAt },
  );

  constructor(options: ConnectionOptions) {
    this.#options = options;
  }

  get state(): ConnectionState {
    return this.#state;
  }

  connect(): void {
    if (this.#state === 'connecting' || this.#state === 'online') return;
    if (this.#state !== 'waiting') {
      this.#backoff.reset();
      this.#refused = undefined;
    }
    void this.#dial();
  }

  close(): void {
    if (this.#state === 'closed') return;
    this.#drop(1000);
    this.#enter('closed');
  }

  /** True when handed to a connection that is `online`. */
  send(frame: UpFrame): boolean {
    if (this.#state !== 'online') return false;
    return this.#write(frame);
  }

  /** The network may have changed: retry now, or find out quickly that the socket is dead. */
  networkChanged(): void {
    if (this.#state === 'waiting') void this.#dial();
    else if (this.#state === 'online') this.#probe();
  }

  async #dial(): Promise<void> {
    const attempt = this.#drop();
    this.#enter('connecting');
    this.#timer = setTimeout(() => this.#lost({ code: 1006, reason: 'no answer' }), CONNECT_TIMEOUT_MS);
    let token: string | undefined;
    try {
      token = await this.#options.getToken();
    } catch {
      // No network, most likely; the app's own errors also deserve another try.
      if (attempt === this.#attempt) this.#wait();
      return;
    }
    if (attempt !== this.#attempt) return;
    if (token === undefined || (token === this.#refused?.token && this.#refused.times > 1)) {
      this.#drop();
      this.#enter('closed', { code: CLOSE.unauthorized.code, reason: token === undefined ? 'no token' : CLOSE.unauthorized.say });
      return;
    }
    this.#token = token;
    this.#open(attempt);
  }

  #open(attempt: number): void {
    let socket: WebSocketLike;
    try {
      socket = new this.#options.WebSocket(this.#options.url, SUBPROTOCOL);
    } catch {
      // A browser refuses to dial, say for too many sockets.
      return this.#wait();
    }
    this.#socket = socket;
    const current = () => attempt === this.#attempt;
    socket.onopen = () => {
      if (current()) this.#write({ t: 'auth', jwt: this.#token!, device: this.#options.device });
    };
    socket.onmessage = ({ data }) => {
      if (!current()) return;
      this.#heardAt = Date.now();
      let parsed: DownFrame | DownFrame[];
      try {
        parsed = JSON.parse(data as string);
      } catch {
        return this.#lost({ code: 1006, reason: 'not JSON' });
      }
      for (const frame of Array.isArray(parsed) ? parsed : [parsed]) if (current()) this.#receive(frame);
    };
    socket.onclose = ({ code, reason }) => {
      if (current()) this.#lost({ code, reason });
    };
    // A close follows.
    socket.onerror = () => {};
  }

  #receive(frame: DownFrame): void {
    if (frame.t === 'ready') return this.#onReady(frame);
    if (this.#state !== 'online') return;
    if (frame.t === 'goaway') this.#onGoaway(frame.reconnectInMs);
    else if (frame.t === 'error' && frame.code === 'token_expired') void this.#renewToken(this.#attempt);
    this.#options.onFrame(frame);
  }

  #onReady(frame: DownFrameOf<'ready'>): void {
    this.#refused = undefined;
    if (this.#state === 'online') return;
    this.#backoff.reset();
    this.#heartbeatMs = frame.heartbeatMs;
    this.#enter('online');
    this.#watchSilence();
    this.#options.onReady(frame);
  }

  #onGoaway(reconnectInMs: number): void {
    clearTimeout(this.#goawayTimer);
    this.#goawayTimer = setTimeout(() => void this.#dial(), reconnectInMs);
  }

  /** Until it works or the server's patience ends, which closes the socket. */
  async #renewToken(attempt: number): Promise<void> {
    const backoff = new Backoff();
    while (attempt === this.#attempt) {
      try {
        const token = await this.#options.getToken();
        if (attempt !== this.#attempt) return;
        if (token === undefined) {
          this.#drop(1000);
          return this.#enter('closed', { code: CLOSE.unauthorized.code, reason: 'no token' });
        }
        this.#token = token;
        this.#write({ t: 'auth', jwt: token, device: this.#options.device });
        return;
      } catch {
        await new Promise((resolve) => setTimeout(resolve, backoff.next()));
      }
    }
  }

  #lost(cause: CloseCause): void {
    const reconnect = reconnectAfter(cause.code);
    if (reconnect === 'never') {
      this.#drop();
      return this.#enter('closed', cause);
    }
    if (reconnect === 'new_token') {
      const times = this.#refused?.token === this.#token ? this.#refused!.times + 1 : 1;
      this.#refused = { token: this.#token, times };
    }
    if (reconnect === 'later') this.#backoff.slowDown();
    this.#wait(cause);
  }

  #wait(cause?: CloseCause): void {
    this.#drop();
    const delayMs = this.#backoff.next();
    this.#timer = setTimeout(() => void this.#dial(), delayMs);
    this.#enter('waiting', cause, Date.now() + delayMs);
  }

  #watchSilence(): void {
    clearTimeout(this.#timer);
    const quietMs = 2 * this.#heartbeatMs;
    const leftMs = this.#heardAt + quietMs - Date.now();
    this.#timer = setTimeout(() => (Date.now() - this.#heardAt < quietMs ? this.#watchSilence() : this.#probe()), Math.max(leftMs, 0));
  }

  #probe(): void {
    clearTimeout(this.#timer);
    const askedAt = Date.now();
    this.#write({ t: 'ping' });
    this.#timer = setTimeout(
      () => (this.#heardAt >= askedAt ? this.#watchSilence() : this.#lost({ code: 1006, reason: 'no sign of life' })),
      PONG_TIMEOUT_MS,
    );
  }

  #write(frame: UpFrame): boolean {
    if (this.#socket?.readyState !== OPEN) return false;
    this.#socket.send(JSON.stringify(frame));
    return true;
  }

  /** Ends the current attempt, and with it everything that waits for it. Gives the number of the next. */
  #drop(code?: number): number {
    clearTimeout(this.#timer);
    clearTimeout(this.#goawayTimer);
    const socket = this.#socket;
    this.#socket = undefined;
    this.#attempt++;
    socket?.close(code);
    return this.#attempt;
  }

  #enter(state: ConnectionState, reason?: CloseCause, retryAt?: number): void {
    this.#state = state;
    this.#retryAt = retryAt;
    this.observable.changed();
    this.#options.onState(state, reason);
  }
}

function reconnectAfter(code: number): Reconnect {
  return Object.values(CLOSE).find((row) => row.code === code)?.reconnect ?? 'now';
}
