import type { DownFrame, DownFrameOf, UpFrame } from '@gapless/protocol';
import { CLOSE, type CloseRow } from '@gapless/protocol/codes';
import { Backoff } from './backoff.ts';
import { Line, type LineHost, type LineOptions, NO_TOKEN } from './line.ts';
import { Derived } from './observable.ts';
import { TransportChoice } from './transport/choice.ts';
import { type CloseCause, closedFor, type Dialer, lost } from './transport/transport.ts';
import type { ConnectionSnapshot, ConnectionState } from './types.ts';
import { Upgrade } from './upgrade.ts';

const TOKEN_TIMEOUT_MS = 15_000;
/** Of the codes that are the protocol's alone. */
const FIRST_OWN_CODE = 4_000;

export interface ConnectionOptions {
  /** In order of preference, at least one. */
  readonly dialers: readonly Dialer[];
  readonly device: string;
  readonly getToken: () => Promise<string | undefined>;
  /** A new connection is there: nothing of the one before holds any more. `seamless`: it took over from one that lived. */
  readonly onReady: (frame: DownFrameOf<'ready'>, how: { seamless: boolean }) => void;
  readonly onFrame: (frame: DownFrame) => void;
  readonly onState: (state: ConnectionState, reason?: CloseCause) => void;
}

/**
 * One live connection at a time, kept up.
 *
 * 1. connecting: token, line; online only when the line is ready.
 * 2. A line that never got ready, without a word of the server, may be the transport's fault: TransportChoice says which is next.
 * 3. A close code decides what follows (CLOSE); an unknown one, or none, means: again, after the backoff.
 * 4. The backoff starts over some seconds after `ready`, never at a mere open: what ends right after `ready` would make a storm.
 * 5. On a lesser transport, the better one is tried beside it, and takes over when ready.
 *
 * What a dropped line still says is never heard.
 */
export class Connection {
  readonly #options: ConnectionOptions;
  readonly #choice: TransportChoice;
  readonly #upgrade: Upgrade;
  readonly #backoff = new Backoff();
  readonly #host: LineHost = {
    onReady: (line, frame) => this.#onReady(line, frame),
    onFrame: (frame) => this.#onFrame(frame),
    onLost: (line, cause) => this.#onLost(line, cause),
  };
  #state: ConnectionState = 'idle';
  #retryAt: number | undefined;
  #line: Line | undefined;
  /** Of the current attempt; a token for another one is stale. */
  #attempt = 0;
  /** Refused by the server, how often in a row. Once may be a first frame that came too late; twice is an answer. */
  #refused: { token: string; times: number } | undefined;
  /** One at a time: retry while waiting, token while connecting. */
  #timer: ReturnType<typeof setTimeout> | undefined;
  #goawayTimer: ReturnType<typeof setTimeout> | undefined;

  readonly observable = new Derived<ConnectionSnapshot>(() => ({
    state: this.#state,
    transport: this.#state === 'online' ? this.#line!.dialer.name : undefined,
    ...(this.#retryAt === undefined ? {} : { retryAt: this.#retryAt }),
  }));

  constructor(options: ConnectionOptions) {
    this.#options = options;
    this.#choice = new TransportChoice(options.dialers);
    this.#upgrade = new Upgrade({
      getToken: options.getToken,
      lineOptions: (token) => this.#lineOptions(this.#choice.best, token),
      onReady: (line, frame) => this.#replace(line, frame),
    });
  }

  get state(): ConnectionState {
    return this.#state;
  }

  connect(): void {
    if (this.#state === 'connecting' || this.#state === 'online') return;
    this.#choice.forgive();
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
    return this.#state === 'online' && this.#line!.send(frame);
  }

  /** The network may have changed: retry now, or find out quickly that the line is dead, or that a better one may be had. */
  networkChanged(): void {
    this.#choice.forgive();
    // What is being dialled may wait for an answer of the network before.
    if (this.#state === 'waiting' || this.#state === 'connecting') void this.#dial();
    this.#line?.probe();
    this.#upgrade.now();
  }

  async #dial(): Promise<void> {
    const attempt = this.#drop();
    this.#enter('connecting');
    this.#timer = setTimeout(() => this.#wait(lost('no token in time')), TOKEN_TIMEOUT_MS);
    let token: string | undefined;
    try {
      token = await this.#options.getToken();
    } catch {
      // No network, most likely; the app's own errors also deserve another try.
      if (attempt === this.#attempt) this.#wait();
      return;
    }
    if (attempt !== this.#attempt) return;
    clearTimeout(this.#timer);
    if (token === undefined) return this.#end(NO_TOKEN);
    if (token === this.#refused?.token && this.#refused.times > 1) return this.#end(closedFor(CLOSE.unauthorized));
    this.#line = new Line(this.#lineOptions(this.#choice.current, token), this.#host);
  }

  #lineOptions(dialer: Dialer, token: string): LineOptions {
    return { dialer, token, device: this.#options.device, getToken: this.#options.getToken };
  }

  #onReady(line: Line, frame: DownFrameOf<'ready'>): void {
    this.#refused = undefined;
    if (this.#state === 'online') return;
    this.#choice.worked(line.dialer);
    if (line.dialer !== this.#choice.best) this.#upgrade.start(this.#choice.bestIsProven);
    this.#enter('online');
    this.#options.onReady(frame, { seamless: false });
  }

  /** Online all the while: what follows goes over the new line, and nothing is heard of the old one. */
  #replace(line: Line, frame: DownFrameOf<'ready'>): void {
    const old = this.#letGo();
    clearTimeout(this.#goawayTimer);
    this.#line = line;
    line.host = this.#host;
    this.#choice.worked(line.dialer);
    this.observable.changed();
    this.#options.onReady(frame, { seamless: true });
    old?.close(1000);
  }

  #onFrame(frame: DownFrame): void {
    if (frame.t === 'goaway') {
      clearTimeout(this.#goawayTimer);
      this.#goawayTimer = setTimeout(() => void this.#dial(), frame.reconnectInMs);
    }
    this.#options.onFrame(frame);
  }

  #onLost(line: Line, cause: CloseCause): void {
    this.#drop();
    const row = closeRow(cause.code, line);
    if (cause === NO_TOKEN || row?.reconnect === 'never') return this.#end(cause);
    if (row?.reconnect === 'new_token') {
      const times = this.#refused?.token === line.token ? this.#refused.times + 1 : 1;
      this.#refused = { token: line.token, times };
    }
    const { retryAfterMs } = cause;
    if (row?.reconnect === 'later' || retryAfterMs !== undefined) this.#backoff.slowDown();
    if (row === undefined && !line.ready && this.#choice.failed(line.refused) && retryAfterMs === undefined) void this.#dial();
    else this.#wait(cause);
  }

  #wait(cause?: CloseCause): void {
    this.#drop();
    const delayMs = (cause?.retryAfterMs ?? 0) + this.#backoff.next();
    this.#timer = setTimeout(() => void this.#dial(), delayMs);
    this.#enter('waiting', cause, Date.now() + delayMs);
  }

  #end(cause: CloseCause): void {
    this.#drop();
    this.#enter('closed', cause);
  }

  /** Ends the current attempt, and with it everything that waits for it. Gives the number of the next. */
  #drop(code?: number): number {
    clearTimeout(this.#timer);
    clearTimeout(this.#goawayTimer);
    this.#upgrade.stop();
    this.#letGo()?.close(code);
    return ++this.#attempt;
  }

  #letGo(): Line | undefined {
    const line = this.#line;
    if (line?.steady) this.#backoff.reset();
    this.#line = undefined;
    return line;
  }

  #enter(state: ConnectionState, reason?: CloseCause, retryAt?: number): void {
    const same = state === this.#state;
    this.#state = state;
    this.#retryAt = retryAt;
    this.observable.changed();
    // The next transport in turn is no new state.
    if (!same) this.#options.onState(state, reason);
  }
}

/** What the server means by it; undefined when it is not the server's word. Before `ready`, a proxy may use the common codes as well. */
function closeRow(code: number, { ready }: Line): CloseRow | undefined {
  return Object.values(CLOSE).find((row) => row.code === code && (ready || code >= FIRST_OWN_CODE));
}
