import type { DownFrame, DownFrameOf, UpFrame } from '@gapless/protocol';
import { CLOSE } from '@gapless/protocol/codes';
import { AUTH_TIMEOUT_MS } from '@gapless/protocol/limits';
import { Backoff } from './backoff.ts';
import { callListener } from './observable.ts';
import { type CloseCause, type Dialer, lost, type Transport } from './transport/transport.ts';

/** Until frames can be sent. */
const OPEN_TIMEOUT_MS = 15_000;
/** From there to `ready`: a proxy may let a transport open and then swallow what it carries. */
const READY_TIMEOUT_MS = 8_000;
/** For the answer to a `ping`: a slow phone network, with some slack. */
const PONG_TIMEOUT_MS = 5_000;
/** For an answer to a message, or a word of anything else: the server answers within 5 s that it cannot. */
const ANSWER_TIMEOUT_MS = 6_000;
/** An end before it was open, within this time, is a refusal. What takes longer is a slow server or network. */
const REFUSAL_MS = 3_000;
/** A refused token is an answer, and comes within a round trip. What comes this long after `auth` says that nothing was heard. */
const UNHEARD_MS = AUTH_TIMEOUT_MS - 500;
/** After `ready`. What ends sooner may end so again and again. */
const STEADY_MS = 5_000;

/** Nobody is signed in any more. */
export const NO_TOKEN: CloseCause = { code: CLOSE.unauthorized.code, reason: 'no token' };

export interface LineHost {
  onReady(line: Line, frame: DownFrameOf<'ready'>): void;
  onFrame(frame: DownFrame): void;
  /** Once, and the last. */
  onLost(line: Line, cause: CloseCause): void;
}

export interface LineOptions {
  readonly dialer: Dialer;
  readonly device: string;
  readonly token: string;
  readonly getToken: () => Promise<string | undefined>;
}

/**
 * One connection to the server, from the dial to its end, over whichever transport.
 *
 * 1. First frame `auth`; it counts from `ready` on.
 * 2. Silence of two heartbeats, or of some seconds after a message was sent, is answered with a `ping`; silence after that is the end.
 * 3. A token that expires is replaced; the second `ready` says nothing new.
 * 4. What a frame brings about may throw: it is reported, and the next frame counts all the same.
 *
 * After `close` its host hears nothing more.
 */
export class Line {
  /** May be another by the time it is ready. */
  host: LineHost;
  readonly dialer: Dialer;
  readonly #options: LineOptions;
  readonly #transport: Transport;
  #token: string;
  readonly #dialedAt = Date.now();
  #authAt: number | undefined;
  #readyAt: number | undefined;
  #over = false;
  /** One at a time: open, `ready`, silence, `pong`. */
  #timer: ReturnType<typeof setTimeout>;
  #heartbeatMs = 0;
  #heardAt = 0;
  /** Since then nothing was heard after a message. */
  #askedAt: number | undefined;
  #probing = false;

  constructor(options: LineOptions, host: LineHost) {
    this.#options = options;
    this.host = host;
    this.dialer = options.dialer;
    this.#token = options.token;
    this.#timer = setTimeout(() => this.#end(lost('no answer')), OPEN_TIMEOUT_MS);
    this.#transport = options.dialer.dial({
      onOpen: () => this.#onOpen(),
      onFrames: (frames) => this.#onFrames(frames),
      onAlive: () => this.#alive(),
      onClose: (cause) => this.#end(cause),
    });
  }

  get token(): string {
    return this.#token;
  }

  get ready(): boolean {
    return this.#readyAt !== undefined;
  }

  /** Has lived for some seconds. */
  get steady(): boolean {
    return this.#readyAt !== undefined && Date.now() - this.#readyAt >= STEADY_MS;
  }

  /** If it ended now: refused, quickly and before it was open. */
  get refused(): boolean {
    return this.#authAt === undefined && Date.now() - this.#dialedAt < REFUSAL_MS;
  }

  send(frame: UpFrame): boolean {
    if (this.#over || !this.#transport.send(frame)) return false;
    if (frame.t === 'send' && this.#askedAt === undefined) {
      this.#askedAt = Date.now();
      if (this.ready && !this.#probing) this.#watchSilence();
    }
    return true;
  }

  /** Finds out quickly whether it lives. */
  probe(): void {
    if (!this.ready || this.#over || this.#probing) return;
    clearTimeout(this.#timer);
    this.#probing = true;
    const probedAt = Date.now();
    this.send({ t: 'ping' });
    this.#timer = setTimeout(() => {
      this.#probing = false;
      if (this.#heardAt >= probedAt) this.#watchSilence();
      else this.#end(lost('no sign of life'));
    }, PONG_TIMEOUT_MS);
  }

  close(code?: number): void {
    this.#over = true;
    clearTimeout(this.#timer);
    this.#transport.close(code);
  }

  #end(cause: CloseCause): void {
    if (this.#over) return;
    this.close();
    this.host.onLost(this, cause.code === CLOSE.unauthorized.code && this.#unheard ? lost('auth was not heard') : cause);
  }

  get #unheard(): boolean {
    return !this.ready && this.#authAt !== undefined && Date.now() - this.#authAt >= UNHEARD_MS;
  }

  #onOpen(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#end(lost('no ready')), READY_TIMEOUT_MS);
    this.#authAt = Date.now();
    this.#auth();
  }

  #auth(): void {
    this.send({ t: 'auth', jwt: this.#token, device: this.#options.device });
  }

  #alive(): void {
    this.#heardAt = Date.now();
    this.#askedAt = undefined;
  }

  #onFrames(frames: readonly DownFrame[]): void {
    this.#alive();
    // What one of them brings about may be the end.
    for (const frame of frames) if (!this.#over) callListener((each) => this.#onFrame(each), frame);
  }

  #onFrame(frame: DownFrame): void {
    if (frame.t === 'ready') return this.#onReady(frame);
    if (!this.ready) return;
    if (frame.t === 'error' && frame.code === 'token_expired') void this.#renewToken();
    this.host.onFrame(frame);
  }

  #onReady(frame: DownFrameOf<'ready'>): void {
    if (this.#readyAt === undefined) {
      this.#readyAt = Date.now();
      this.#heartbeatMs = frame.heartbeatMs;
      this.#watchSilence();
    }
    this.host.onReady(this, frame);
  }

  /** With nothing heard until then it is asked whether it lives. */
  get #silentAt(): number {
    return Math.min(this.#heardAt + 2 * this.#heartbeatMs, (this.#askedAt ?? Number.POSITIVE_INFINITY) + ANSWER_TIMEOUT_MS);
  }

  #watchSilence(): void {
    clearTimeout(this.#timer);
    const leftMs = this.#silentAt - Date.now();
    this.#timer = setTimeout(() => (Date.now() < this.#silentAt ? this.#watchSilence() : this.probe()), Math.max(leftMs, 0));
  }

  /** Until it works or the server's patience ends, which is the end of the line. */
  async #renewToken(): Promise<void> {
    const backoff = new Backoff();
    while (!this.#over) {
      try {
        const token = await this.#options.getToken();
        if (token === undefined) return this.#end(NO_TOKEN);
        this.#token = token;
        return this.#auth();
      } catch {
        await backoff.sleep();
      }
    }
  }
}
