import type { DownFrame } from '@gapless/protocol';
import type { What } from '../check/event.ts';
import { bodyDigest } from '../digest.ts';
import { signToken } from '../token.ts';
import type { LoadContext } from './context.ts';
import { intendedOf, makeMid, nowUs } from './mid.ts';
import type { ClientPlan } from './options.ts';
import { isMessage, scanMessage } from './scanner.ts';
import { LoadSocket } from './socket.ts';
import { SeqTracker } from './tracker.ts';

/** One message in so many is parsed in full and compared with what the scanner read. */
const SAMPLE = 100;
/** Above this many sockets to one address the source ports of one source address run out. */
const SOCKETS_PER_ADDRESS = 25_000;
/** The answer of the server says nothing about the outcome: the same mid may still be saved. */
const UNKNOWN = new Set(['store_unavailable']);

/** One simulated user with one connection at a time, in one conversation. */
export class LoadClient {
  readonly plan: ClientPlan;
  tracker: SeqTracker | undefined;
  /** Called on each answer: the closed loop. */
  onAnswer: () => void = () => {};
  readonly #context: LoadContext;
  readonly #token: string;
  #socket: LoadSocket | undefined;
  #connection = 0;
  /** The head when this client first joined: what it must have received starts after it. */
  #from = 0;
  #waiting: { resolve: () => void; reject: (error: Error) => void } | undefined;
  #joined = false;
  #resuming: { startedUs: number; head: number } | undefined;
  /** Sent, no answer yet: mid to frame. */
  readonly #open = new Map<string, string>();
  readonly #body: { text: string };

  constructor(plan: ClientPlan, context: LoadContext) {
    this.plan = plan;
    this.#context = context;
    this.#token = signToken(context.options.jwtSecret, plan.user);
    this.#body = { text: 'x'.repeat(Math.max(0, context.options.bodyBytes - '{"text":""}'.length)) };
  }

  get from(): number {
    return this.#from;
  }

  get connected(): boolean {
    return this.#joined;
  }

  /** Resolves when joined; messages after the last one received are replayed. */
  async connect(intendedUs = nowUs()): Promise<void> {
    const { plan } = this;
    this.#connection++;
    const connection = this.#connection;
    const joined = new Promise<void>((resolve, reject) => (this.#waiting = { resolve, reject }));
    joined.catch(() => {});
    const address = Math.floor(plan.index / SOCKETS_PER_ADDRESS);
    const localAddress = address > 0 && /127\.0\.0\.1|localhost/.test(plan.url) ? { localAddress: `127.0.0.${1 + address}` } : {};
    const socket = await LoadSocket.open(
      { url: plan.url, token: this.#token, ...localAddress },
      {
        text: (payload) => connection === this.#connection && this.#receive(payload),
        ping: () => {},
        close: (code) => connection === this.#connection && this.#closed(code),
      },
    );
    this.#socket = socket;
    const since = this.tracker === undefined ? {} : { since: this.tracker.next - 1 };
    if (this.tracker !== undefined) this.#resuming = { startedUs: intendedUs, head: Number.POSITIVE_INFINITY };
    socket.send(JSON.stringify({ t: 'join', cid: plan.cid, ...since }));
    await joined;
    this.#context.record('connect', intendedUs, nowUs());
    if (plan.noRead) socket.pause();
    for (const [mid, frame] of this.#open) {
      this.#context.counts.resent++;
      this.#invoke(mid);
      socket.send(frame);
    }
  }

  send(n: number, intendedUs: number): void {
    const { run, counts, options } = this.#context;
    if (options.mode === 'ping') {
      counts.sent++;
      return this.#socket?.send(JSON.stringify({ t: 'ping', n: intendedUs }));
    }
    const mid = makeMid(run, this.plan.index, n, intendedUs);
    const frame = JSON.stringify({ t: 'send', cid: this.plan.cid, mid, kind: 'text', body: this.#body });
    counts.sent++;
    this.#open.set(mid, frame);
    if (!this.#joined) return;
    this.#invoke(mid);
    this.#socket!.send(frame);
  }

  /** Breaks the connection; what has no answer is sent again by the next `connect`. */
  drop(): void {
    if (!this.#joined) return;
    this.#context.counts.reconnects++;
    this.#socket?.end();
    this.#closed(0);
  }

  /** Reads on as fast as it can, at the end of a run. */
  hurry(): void {
    this.#socket?.resume();
  }

  /** At the end, when nothing more will come. */
  finish(): void {
    for (const mid of this.#open.keys()) {
      this.#context.error('no answer');
      if (this.#joined) this.#tell({ ev: 'info', op: 'send', mid });
    }
    if (this.#joined && !this.plan.noRead && this.plan.cid !== '') this.#tell({ ev: 'drained' });
    this.#connection++;
    this.#socket?.end();
  }

  #receive(payload: Buffer): void {
    if (isMessage(payload)) this.#message(payload);
    else this.#control(JSON.parse(payload.toString()) as DownFrame);
  }

  #message(payload: Buffer): void {
    const { counts, history } = this.#context;
    const scanned = scanMessage(payload);
    if (scanned === undefined || this.tracker === undefined) return this.#context.error('unreadable message');
    const { seq, mid } = scanned;
    const replay = this.#resuming !== undefined && seq <= this.#resuming.head;
    this.tracker.receive(seq);
    counts.received++;
    const now = nowUs();
    if (mid.startsWith(this.#context.run) && !replay && !this.plan.noRead) this.#context.record('e2e', intendedOf(mid), now);
    if (history !== undefined || counts.received % SAMPLE === 0) {
      const frame = JSON.parse(payload.toString()) as Extract<DownFrame, { t: 'message' }>;
      counts.sampled++;
      if (frame.seq !== seq || frame.mid !== mid) this.#context.error('scanner misread');
      if (history !== undefined)
        this.#tell({ ev: 'recv', seq, mid, from: frame.from, h: bodyDigest(frame.body), via: replay ? 'replay' : 'live' });
    }
    this.#caughtUp(now);
    if (this.plan.slow) this.#dawdle();
  }

  #control(frame: DownFrame): void {
    switch (frame.t) {
      case 'joined':
        this.#onJoined(frame.head, frame.reset === true);
        return;
      case 'ack':
        if (frame.mid !== undefined) this.#acked(frame.mid, frame.pos, frame.stage, frame.dup === true);
        return;
      case 'pong':
        if (frame.n !== undefined) this.#context.record('ping', frame.n, nowUs());
        this.#context.counts.received++;
        return;
      case 'read':
        this.#tell({ ev: 'cursor', of: frame.from, pos: frame.pos });
        return;
      case 'error':
        this.#failed(frame);
        return;
      default:
    }
  }

  #onJoined(head: number, reset: boolean): void {
    this.#tell({
      ev: 'joined',
      head,
      ...(this.tracker === undefined ? {} : { since: this.tracker.next - 1 }),
      ...(reset ? { reset } : {}),
    });
    if (this.tracker === undefined) {
      this.tracker = new SeqTracker(head + 1);
      this.#from = head;
    }
    if (this.#resuming !== undefined) this.#resuming.head = head;
    this.#joined = true;
    this.#caughtUp(nowUs());
    this.#waiting?.resolve();
  }

  #caughtUp(now: number): void {
    if (this.#resuming === undefined || this.tracker!.next <= this.#resuming.head) return;
    this.#context.record('resume', this.#resuming.startedUs, now);
    this.#resuming = undefined;
  }

  #acked(mid: string, seq: number, stage: 'accepted' | 'saved', dup: boolean): void {
    const { heads, counts } = this.#context;
    // Who does not read sees the answer when the run is over: that is no latency of the server.
    if (!this.plan.noRead) this.#context.record(stage, intendedOf(mid), nowUs());
    if (stage !== 'saved' || !this.#open.delete(mid)) return;
    counts.saved++;
    heads.set(this.plan.cid, Math.max(heads.get(this.plan.cid) ?? 0, seq));
    this.#tell({ ev: 'ok', op: 'send', mid, seq, ...(dup ? { dup } : {}) });
    this.onAnswer();
  }

  #failed({ code, ref }: Extract<DownFrame, { t: 'error' }>): void {
    this.#context.error(code);
    if (ref?.t === 'join') this.#waiting?.reject(new Error(`joining was answered ${code}`));
    if (ref?.mid === undefined || !this.#open.delete(ref.mid)) return;
    this.#tell({ ev: UNKNOWN.has(code) ? 'info' : 'fail', op: 'send', mid: ref.mid, code });
    this.onAnswer();
  }

  /** `code` 0: by this client itself. */
  #closed(code: number): void {
    if (code !== 0) this.#context.error(`closed ${code}`);
    this.#waiting?.reject(new Error(`closed ${code}`));
    if (this.#joined) for (const mid of this.#open.keys()) this.#tell({ ev: 'info', op: 'send', mid });
    this.#connection++;
    this.#joined = false;
    this.#resuming = undefined;
    this.#socket = undefined;
  }

  #dawdle(): void {
    const socket = this.#socket;
    socket?.pause();
    setTimeout(() => socket?.resume(), this.#context.options.slowConsumerDelayMs).unref();
  }

  #invoke(mid: string): void {
    if (this.#context.history !== undefined) this.#tell({ ev: 'invoke', op: 'send', mid, h: bodyDigest(this.#body) });
  }

  #tell(what: What): void {
    const { user: u, index, cid } = this.plan;
    this.#context.history?.write({ u, d: `d${index}`, k: this.#connection, cid }, what);
  }
}
