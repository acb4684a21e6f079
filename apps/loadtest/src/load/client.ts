import { setTimeout as sleep } from 'node:timers/promises';
import type { DownFrame } from '@gapless/protocol';
import type { What } from '../check/event.ts';
import { bodyDigest } from '../digest.ts';
import { signToken } from '../token.ts';
import { backoffMs, mayReturn } from './backoff.ts';
import { nowUs } from './clock.ts';
import type { LoadContext } from './context.ts';
import { Dawdle } from './dawdle.ts';
import { intendedOf, isMeasured, makeMid } from './mid.ts';
import { type ClientPlan, dawdles } from './options.ts';
import { Receiver } from './receiver.ts';
import { FRAME, frameType } from './scanner.ts';
import { LoadSocket } from './socket.ts';
import { isUnknown, Unsaved } from './unsaved.ts';

/** A connection that is not joined by then is given up. */
const CONNECT_TIMEOUT_MS = 15_000;
/** What becomes of those who read slowly or not at all, by the protocol: no error. */
const EXPECTED_OF_SLOW = new Set([1006, 4408, 4409]);

/** Before a message whose number was lost goes again, where the server names no time. */
const VOID_RETRY_MS = 500;

type ErrorFrame = Extract<DownFrame, { t: 'error' }>;

/** Sent again at a time after a return; the next with each answer. Who does not read its answers must not send the same for ever. */
const RESEND_WINDOW = 16;

/** One simulated user with one connection at a time, in one conversation. It returns by itself, as every client must. */
export class LoadClient {
  readonly plan: ClientPlan;
  readonly receiver: Receiver;
  /** Called on each answer: the closed loop. */
  onAnswer: () => void = () => {};
  readonly #context: LoadContext;
  readonly #dawdle: Dawdle;
  readonly #token: string;
  #socket: LoadSocket | undefined;
  /** Number of the connection; what older ones still say is not heard. */
  #connection = 0;
  #node: number;
  /** The connection whose node drains. */
  #toldToGo = 0;
  #where = '';
  #waiting: { resolve: () => void; reject: (error: Error) => void } | undefined;
  #joined = false;
  /** Away of its own accord. */
  #absent = false;
  /** Comes back no more. */
  #over = false;
  #arrivedUs = 0;
  readonly #open = new Unsaved();
  /** Of these, what still waits to be sent again after a return; later ones wait behind it. */
  #unsure: { mid: string; again: boolean }[] = [];
  #pings = 0;
  #acked = 0;
  readonly #body: string;

  constructor(plan: ClientPlan, context: LoadContext) {
    this.plan = plan;
    this.#node = plan.node;
    this.#context = context;
    this.#token = signToken(context.options.jwtSecret, plan.user);
    this.#body = JSON.stringify({ text: 'x'.repeat(Math.max(0, context.options.bodyBytes - '{"text":""}'.length)) });
    this.receiver = new Receiver(plan, context, this.#body, (what) => this.#tell(what));
    this.#dawdle = new Dawdle(context.options.slowConsumerDelayMs);
  }

  /** Everything sent was answered, and nothing more is awaited. */
  get answered(): boolean {
    return this.#over || (this.#open.size === 0 && this.#pings === 0);
  }

  /** It was told to stay away, or never got in. */
  get over(): boolean {
    return this.#over;
  }

  /** Resolves when joined; messages after the last one received are replayed. */
  async connect(intendedUs = nowUs()): Promise<void> {
    const { plan, receiver } = this;
    // Every try after the first is for the next node.
    if (this.#connection > 0) this.#node = this.#context.nodes.after(this.#node);
    const connection = ++this.#connection;
    receiver.node = this.#node;
    this.#where = `"u":${JSON.stringify(plan.user)},"d":"d${plan.index}","k":${connection},"cid":${JSON.stringify(plan.cid)}`;
    const joined = new Promise<void>((resolve, reject) => (this.#waiting = { resolve, reject }));
    joined.catch(() => {});
    const timeout = setTimeout(() => connection === this.#connection && this.#closed(1006), CONNECT_TIMEOUT_MS);
    try {
      const opening = this.#openSocket(connection);
      opening.catch(() => {});
      await Promise.race([opening, joined]);
      const socket = await opening;
      receiver.returns(intendedUs, this.#absent);
      const since = receiver.cursor === undefined ? '' : `,"since":${receiver.cursor}`;
      socket.send(`{"t":"join","cid":${JSON.stringify(plan.cid)}${since}}`);
      await joined;
    } finally {
      clearTimeout(timeout);
    }
    this.#context.record('connect', intendedUs, nowUs());
    this.#absent = false;
    if (plan.role === 'noRead' && !this.#context.draining) this.#socket?.pause();
    this.#unsure = this.#open.mids().map((mid) => ({ mid, again: true }));
    for (let i = 0; i < RESEND_WINDOW; i++) this.#resendNext();
  }

  /** The oldest of what has no answer. */
  #resendNext(): void {
    const next = this.#unsure.shift();
    const frame = next === undefined ? undefined : this.#open.frameOf(next.mid);
    if (next === undefined || frame === undefined) return;
    if (next.again) this.#context.counts.resent++;
    this.#invoke(next.mid);
    this.#socket?.send(frame);
  }

  /** Whether its latency says something of the server. In a storm only those do that stayed: the others' thread is busy returning. */
  send(intendedUs: number): boolean {
    const { tag, counts, options } = this.#context;
    if (options.mode === 'ping') return this.#ping(intendedUs);
    const { role, steady } = this.plan;
    const storm = this.#context.storm || this.#context.inStorm(intendedUs);
    const measured = !this.#absent && !dawdles(role) && (steady || !storm);
    const mid = makeMid({ tag, client: this.plan.index, intendedUs, node: this.#node, measured });
    const frame = `{"t":"send","cid":${JSON.stringify(this.plan.cid)},"mid":"${mid}","kind":"text","body":${this.#body}}`;
    counts.sent++;
    this.#open.add(mid, frame);
    if (!this.#joined) return measured;
    if (this.#unsure.length > 0) {
      // Behind what is sent again, as the order of a sender wants it.
      this.#unsure.push({ mid, again: false });
      return measured;
    }
    this.#invoke(mid);
    this.#socket!.send(frame);
    return measured;
  }

  /** Tells how far it got, as clients do; nothing when there is no news. */
  acknowledge(): void {
    const { cursor = 0 } = this.receiver;
    if (cursor <= this.#acked || !this.#joined || this.plan.role === 'noRead') return;
    const [cid, pos] = [JSON.stringify(this.plan.cid), (this.#acked = cursor)];
    this.#socket!.send(`{"t":"ack","cid":${cid},"pos":${pos}}`);
    this.#socket!.send(`{"t":"read","cid":${cid},"pos":${pos}}`);
    this.#context.counts.acks += 2;
  }

  /** Breaks the connection, if there is one. What has no answer is sent again after the return. */
  drop(): boolean {
    if (!this.#joined) return false;
    this.#absent = true;
    this.#leave();
    return true;
  }

  /** Returns after the wait that the protocol asks for, and tries until it is joined. */
  async return({ atOnce = false } = {}): Promise<void> {
    let firstUs: number | undefined;
    for (let attempt = 0; !this.#over; attempt++) {
      if (attempt > 0 || !atOnce) await sleep(backoffMs(attempt));
      if (this.#over) return;
      this.#context.counts.reconnects++;
      firstUs ??= nowUs();
      try {
        return await this.connect(firstUs);
      } catch {
        this.#context.error('not connected');
      }
    }
  }

  /** Reads on as fast as it can, at the end of a run. */
  hurry(): void {
    this.#dawdle.end();
    this.#socket?.resume();
  }

  /** Never got in. */
  giveUp(): void {
    this.#over = true;
  }

  /** At the end, when nothing more will come. */
  finish(): void {
    for (const mid of this.#open.mids()) {
      if (this.#open.wasAccepted(mid)) this.#context.counts.unsaved++;
      else this.#context.error('no answer');
      if (this.#joined) this.#tell({ ev: 'info', op: 'send', mid });
    }
    if (this.#joined) this.#tell({ ev: 'drained' });
    this.#over = true;
    this.#connection++;
    this.#dawdle.end();
    this.#socket?.end();
  }

  #openSocket(connection: number): Promise<LoadSocket> {
    const { localAddress } = this.plan;
    const url = this.#context.options.urls[this.#node]!;
    const current = () => connection === this.#connection;
    return LoadSocket.open(
      { url, token: this.#token, ...(localAddress === undefined ? {} : { localAddress }) },
      {
        chunk: () => {
          this.#arrivedUs = nowUs();
          this.#context.counts.reads++;
        },
        text: (data, start, end) => current() && this.#receive(data, start, end),
        ping: () => {},
        close: (code) => current() && this.#closed(code),
      },
      (link) => (this.#socket = link),
    );
  }

  #receive(data: Buffer, start: number, end: number): void {
    const type = frameType(data, start);
    if (type === FRAME.message) {
      this.receiver.message(data, start, end, this.#arrivedUs);
      if (this.plan.role === 'slow' && !this.#context.draining) this.#dawdle.message(this.#socket!);
    } else if (type !== FRAME.other && (type !== FRAME.read || this.#context.history !== undefined))
      this.#control(JSON.parse(data.toString('utf8', start, end)) as DownFrame);
  }

  #control(frame: DownFrame): void {
    switch (frame.t) {
      case 'joined':
        return this.#onJoined(frame.head, frame.reset === true);
      case 'ack':
        if (frame.mid !== undefined) this.#acknowledged(frame.mid, frame.pos, frame.stage, frame.dup === true);
        return;
      case 'pong':
        this.#pings--;
        this.#context.counts.received++;
        if (frame.n !== undefined) this.#context.record('ping', frame.n, this.#arrivedUs);
        return this.onAnswer();
      case 'change':
        return frame.op === 'lost' ? this.receiver.lost(frame.seqs ?? []) : undefined;
      case 'read':
        return this.#tell({ ev: 'cursor', of: frame.from, pos: frame.pos });
      case 'goaway':
        return void this.#moveOn(frame.reconnectInMs);
      case 'error':
        return this.#failed(frame);
      default:
    }
  }

  /** The node drains: it says when to go, so this is no error, and needs no wait of its own. */
  async #moveOn(inMs: number): Promise<void> {
    const connection = (this.#toldToGo = this.#connection);
    await sleep(inMs);
    if (connection !== this.#connection || !this.#joined) return;
    this.#context.kicked('goaway', this.plan.role);
    this.#leave();
    await this.return({ atOnce: true });
  }

  #onJoined(head: number, reset: boolean): void {
    const { cursor } = this.receiver;
    this.#tell({ ev: 'joined', head, ...(cursor === undefined ? {} : { since: cursor }), ...(reset ? { reset } : {}) });
    this.#joined = true;
    this.receiver.joined(head, this.#arrivedUs);
    this.#waiting?.resolve();
  }

  #acknowledged(mid: string, seq: number, stage: 'accepted' | 'saved', dup: boolean): void {
    const { heads, counts } = this.#context;
    const acked = this.#open.acked(mid, stage);
    if (acked === undefined) return;
    if (acked.first || stage === 'saved') this.#measure(mid, stage);
    this.#tell({ ev: 'ok', op: 'send', mid, seq, ...(dup ? { dup } : {}), ...(stage === 'accepted' ? { stage } : {}) });
    if (stage === 'saved') {
      counts.saved++;
      if ((heads.get(this.plan.cid) ?? 0) < seq) heads.set(this.plan.cid, seq);
    } else if (acked.first) counts.accepted++;
    // The first ack lets the next one go, whichever stage it tells of.
    if (acked.waited || dup) this.#resendNext();
    if (acked.first) this.onAnswer();
  }

  #measure(mid: string, stage: 'accepted' | 'saved'): void {
    if (!isMeasured(mid)) return;
    const { window, measureFromUs } = this.#context;
    const intendedUs = intendedOf(mid);
    this.#context.record(stage, intendedUs, this.#arrivedUs);
    if (stage === 'saved' && intendedUs >= measureFromUs) window.saved.record(this.#arrivedUs - intendedUs);
  }

  /** Its number is void. It is still to be saved: it goes again with the same mid. */
  async #sendAgain(mid: string, { code, retryAfterMs = VOID_RETRY_MS }: ErrorFrame): Promise<void> {
    this.#tell({ ev: 'info', op: 'send', mid, code });
    await sleep(retryAfterMs);
    if (!this.#joined || this.#open.frameOf(mid) === undefined) return;
    this.#unsure.push({ mid, again: true });
    this.#resendNext();
  }

  #failed(frame: ErrorFrame): void {
    const { code, ref } = frame;
    const taken = ref?.mid === undefined ? undefined : this.#open.taken(ref.mid, code);
    if (taken === 'first') this.#context.counts.voided++;
    if (taken !== undefined) return void this.#sendAgain(ref!.mid!, frame);
    this.#context.error(code);
    if (ref?.t === 'join') this.#waiting?.reject(new Error(`joining was answered ${code}`));
    if (ref?.mid === undefined || !this.#open.over(ref.mid)) return;
    this.#resendNext();
    this.#tell({ ev: isUnknown(code) ? 'info' : 'fail', op: 'send', mid: ref.mid, code });
    this.onAnswer();
  }

  /** By the server or the network. */
  #closed(code: number): void {
    const { role } = this.plan;
    const joined = this.#joined;
    if (joined) this.#context.kicked(code, role);
    const expected = this.#toldToGo === this.#connection || (dawdles(role) && EXPECTED_OF_SLOW.has(code));
    // Who was not in yet counts its failure itself.
    if (joined ? !expected : code !== 1006) this.#context.error(`closed ${code}`);
    this.#waiting?.reject(new Error(`closed ${code}`));
    this.#leave();
    if (!mayReturn(code)) this.#over = true;
    else if (joined) void this.return();
  }

  #leave(): void {
    if (this.#joined) for (const mid of this.#open.mids()) this.#tell({ ev: 'info', op: 'send', mid });
    for (; this.#pings > 0; this.#pings--) this.#context.error('no answer');
    this.#connection++;
    this.#joined = false;
    this.#dawdle.end();
    this.#socket?.end();
    this.#socket = undefined;
  }

  #ping(intendedUs: number): boolean {
    this.#context.counts.sent++;
    if (!this.#joined || this.#socket === undefined) this.#context.error('not sent');
    else {
      this.#pings++;
      this.#socket.send(`{"t":"ping","n":${intendedUs}}`);
    }
    return true;
  }

  #invoke(mid: string): void {
    if (this.#context.history !== undefined) this.#tell({ ev: 'invoke', op: 'send', mid, h: bodyDigest(JSON.parse(this.#body)) });
  }

  #tell(what: What): void {
    this.#context.history?.write(this.#where, what);
  }
}
