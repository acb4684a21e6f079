import { Backoff } from '@gapless/kit';
import type { DownFrame, UpFrame } from '@gapless/protocol';
import { ERRORS } from '@gapless/protocol/codes';
import { ulid, type WebSocketLike } from '@gapless/sdk';
import type { Member } from './member.ts';
import { recordedSocket } from './recorded-socket.ts';
import type { Recorder } from './recorder.ts';
import type { Route } from './route.ts';

/** As the protocol asks of every client. */
const BACKOFF = { baseMs: 500, maxMs: 8_000, random: Math.random };
/** Unacked messages on the wire: where the SDK has one, this one pipelines. */
const WINDOW = 8;
/** Where the server names no time. */
const RETRY_MS = 500;
const PING_MS = 5_000;
/** Without a word for so long the connection is given up; also one that does not get ready. */
const SILENCE_MS = 12_000;
const OPEN = 1;

/** The bare protocol: several sends on the wire at once, resumes by rev, sends again what was not saved. */
export class RawMember implements Member {
  readonly recorder: Recorder;
  readonly #token: string;
  readonly #device: string;
  readonly #route: Route;
  readonly #Socket: ReturnType<typeof recordedSocket>;
  readonly #backoff = new Backoff(BACKOFF);
  readonly #problems: string[] = [];
  /** Not yet saved, in the order it was said: mid to text. */
  readonly #unsaved = new Map<string, string>();
  readonly #onWire = new Set<string>();
  /** Nothing is sent until then: an answer asked for patience. */
  #pausedUntil = 0;
  #socket: WebSocketLike | undefined;
  #rev: number | undefined;
  #heardAt = 0;
  #pings: NodeJS.Timeout | undefined;
  #entered: (() => void) | undefined;
  #gone = false;

  constructor({ user, token, recorder, route }: { user: string; token: string; recorder: Recorder; route: Route }) {
    this.recorder = recorder;
    this.#token = token;
    this.#device = `${user}-1`;
    this.#route = route;
    this.#Socket = recordedSocket(recorder, route);
  }

  get settled(): boolean {
    return this.#unsaved.size === 0;
  }

  enter(): Promise<void> {
    return new Promise((resolve) => {
      this.#entered = resolve;
      this.#dial();
    });
  }

  say(text: string): void {
    this.#unsaved.set(ulid(), text);
    this.#pump();
  }

  shows(): boolean {
    return true;
  }

  shown(): undefined {}

  problems(): string[] {
    return this.#problems;
  }

  close(): void {
    this.#gone = true;
    clearInterval(this.#pings);
    this.#socket?.close(1000);
  }

  #dial(): void {
    if (this.#gone) return;
    const socket = new this.#Socket(`${this.#route.url}/ws`, 'gapless.v1.json');
    this.#socket = socket;
    this.#heardAt = performance.now();
    socket.onopen = () => socket.send(JSON.stringify({ t: 'auth', jwt: this.#token, device: this.#device } satisfies UpFrame));
    socket.onmessage = ({ data }) => this.#receive(JSON.parse(data as string) as DownFrame | DownFrame[]);
    socket.onclose = () => this.#lost(socket);
    clearInterval(this.#pings);
    this.#pings = setInterval(() => this.#listen(socket), PING_MS);
  }

  #listen(socket: WebSocketLike): void {
    if (performance.now() - this.#heardAt < SILENCE_MS) return this.#send({ t: 'ping' });
    socket.close();
    this.#lost(socket);
  }

  /** Once for each connection: it may be given up before it ends. */
  #lost(socket: WebSocketLike): void {
    if (this.#socket !== socket) return;
    this.#socket = undefined;
    clearInterval(this.#pings);
    this.#onWire.clear();
    this.#pausedUntil = 0;
    setTimeout(() => this.#dial(), this.#backoff.next());
  }

  #receive(data: DownFrame | DownFrame[]): void {
    this.#heardAt = performance.now();
    for (const frame of Array.isArray(data) ? data : [data]) this.#take(frame);
  }

  #take(frame: DownFrame): void {
    switch (frame.t) {
      case 'ready':
        return this.#send({ t: 'join', cid: this.recorder.cid, ...(this.#rev === undefined ? {} : { rev: this.#rev }) });
      case 'joined':
        return this.#onJoined(frame);
      case 'message':
      case 'change':
        this.#rev = Math.max(this.#rev ?? 0, frame.rev);
        return;
      case 'ack':
        return this.#onAck(frame);
      case 'goaway':
        return this.#moveOn(frame.reconnectInMs);
      case 'error':
        return this.#onError(frame);
      default:
    }
  }

  #onJoined({ rev, reset }: Extract<DownFrame, { t: 'joined' }>): void {
    if (this.#rev === undefined || reset === true) this.#rev = rev;
    this.#backoff.reset();
    this.#entered?.();
    this.#pump();
  }

  #onAck({ mid, stage }: Extract<DownFrame, { t: 'ack' }>): void {
    if (mid === undefined || stage !== 'saved') return;
    this.#unsaved.delete(mid);
    this.#onWire.delete(mid);
    this.#pump();
  }

  #onError({ code, ref, retryAfterMs = RETRY_MS }: Extract<DownFrame, { t: 'error' }>): void {
    const final = code in ERRORS && ERRORS[code as keyof typeof ERRORS].retry === 'never';
    if (ref?.t === 'join') {
      if (final) this.#problems.push(`joining was refused for good: ${code}`);
      else setTimeout(() => this.#socket?.close(), retryAfterMs);
    } else if (ref?.mid !== undefined) {
      this.#onWire.delete(ref.mid);
      if (final) {
        this.#problems.push(`a send was refused for good: ${code}`);
        this.#unsaved.delete(ref.mid);
      }
      this.#pause(retryAfterMs);
    }
  }

  #moveOn(inMs: number): void {
    const socket = this.#socket;
    setTimeout(() => {
      if (socket === undefined || socket !== this.#socket) return;
      socket.close(1000);
      this.#lost(socket);
    }, inMs);
  }

  #pause(ms: number): void {
    this.#pausedUntil = performance.now() + ms;
    setTimeout(() => this.#pump(), ms + 1);
  }

  /** The oldest go first, so that the order of a sender stays. */
  #pump(): void {
    if (!this.recorder.joined || performance.now() < this.#pausedUntil) return;
    for (const [mid, text] of [...this.#unsaved.entries()].slice(0, WINDOW)) {
      if (this.#onWire.has(mid)) continue;
      this.#onWire.add(mid);
      this.#send({ t: 'send', cid: this.recorder.cid, mid, kind: 'text', body: { text } });
    }
  }

  #send(frame: UpFrame): void {
    if (this.#socket?.readyState === OPEN) this.#socket.send(JSON.stringify(frame));
  }
}
