import type { DownFrame } from '@gapless/protocol';
import type { What } from '../check/event.ts';
import { marksOf } from '../check/message-marks.ts';
import { bodyDigest } from '../digest.ts';
import type { LoadContext } from './context.ts';
import type { ClientPlan } from './options.ts';
import { scanMessage } from './scanner.ts';
import { SeqTracker } from './tracker.ts';

/** One message in so many is parsed in full and compared with what the scanner read. */
const SAMPLE = 100;
/** From the end of the mid to its author: `","from":"`. */
const TO_FROM = 10;
const QUOTE = 0x22;
/** Behind the body of a message that is not saved. */
const STAGE = Buffer.from(',"stage":"accepted"');
/** Behind the mid of what holds the place of a lost number; no load sends as `system`. */
const LOST = Buffer.from('","from":"system"');

type MessageFrame = Extract<DownFrame, { t: 'message' }>;

/** The receiving half of a client, over all its connections: what came, when, and in which order. */
export class Receiver {
  /** From the first `joined` on. */
  tracker: SeqTracker | undefined;
  /** The head then: what must be received starts after it. */
  from = 0;
  /** Where it is connected. */
  node = 0;
  readonly #plan: ClientPlan;
  readonly #context: LoadContext;
  readonly #body: Buffer;
  readonly #tell: (what: What) => void;
  #digest = '';
  /** Until the head of that `joined` is there. `own`: it was away of its own accord, so what it missed says nothing of the server. */
  #resuming: { startedUs: number; own: boolean; head: number } | undefined;

  constructor(plan: ClientPlan, context: LoadContext, body: string, tell: (what: What) => void) {
    this.#plan = plan;
    this.#context = context;
    this.#body = Buffer.from(body);
    this.#tell = tell;
  }

  get cursor(): number | undefined {
    return this.tracker === undefined ? undefined : this.tracker.next - 1;
  }

  /** Whether everything up to the head of the last `joined` is here. */
  get caughtUp(): boolean {
    return this.#resuming === undefined;
  }

  has(seq: number): boolean {
    return (this.cursor ?? 0) >= seq;
  }

  returns(startedUs: number, own: boolean): void {
    if (this.tracker !== undefined) this.#resuming = { startedUs, own, head: Number.POSITIVE_INFINITY };
  }

  joined(head: number, now: number): void {
    if (this.tracker === undefined) {
      this.tracker = new SeqTracker(head + 1);
      this.from = head;
    }
    if (this.#resuming !== undefined) this.#resuming.head = head;
    this.#catchUp(now);
  }

  /** One `message` frame in `data`, which belongs to others after this. */
  message(data: Buffer, start: number, end: number, now: number): void {
    const { scanned, counts, tagBytes, history } = this.#context;
    if (!scanMessage(data, start, end, tagBytes, scanned)) return this.#unusual(data, start, end, now);
    const { seq } = scanned;
    const { tracker } = this;
    if (tracker === undefined) return this.#context.error('message before joined');
    tracker.receive(seq);
    if (!scanned.own && LOST.compare(data, scanned.midEnd, scanned.midEnd + LOST.length) === 0) this.#context.lost.add(this.#place(seq));
    const resuming = this.#resuming;
    if (scanned.own && scanned.measured && (resuming === undefined || !resuming.own || seq > resuming.head)) this.#measure(now);
    if (++counts.received % SAMPLE === 0) this.#compare(data, start, end);
    if (history !== undefined) this.#record(data, end, resuming !== undefined && seq <= resuming.head);
    if (resuming !== undefined) this.#catchUp(now);
  }

  /** The server took these numbers back. */
  lost(seqs: readonly number[]): void {
    this.#tell({ ev: 'lost', seqs });
    for (const seq of seqs) this.#context.lost.add(this.#place(seq));
  }

  #place(seq: number): string {
    return `${this.#plan.cid} ${seq}`;
  }

  #measure(now: number): void {
    const { histograms, window, measureFromUs, scanned, nodes } = this.#context;
    const { intendedUs } = scanned;
    if (intendedUs < measureFromUs || this.#plan.role === 'noRead') return;
    if (this.#plan.role === 'slow') return histograms.e2eSlow.record(now - intendedUs);
    histograms.e2e.record(now - intendedUs);
    window.e2e.record(now - intendedUs);
    // Without the sender itself, and without what waited for a return: what is left differs by the way between the nodes alone.
    if (nodes.count > 1 && scanned.client !== this.#plan.index && this.#resuming === undefined)
      histograms[scanned.node === this.node ? 'e2eSame' : 'e2eOther'].record(now - intendedUs);
    if (this.#plan.steady && this.#context.inStorm(intendedUs)) histograms.e2eStorm.record(now - intendedUs);
  }

  #catchUp(now: number): void {
    if (this.#resuming === undefined || this.tracker!.next <= this.#resuming.head) return;
    this.#context.record('resume', this.#resuming.startedUs, now);
    this.#resuming = undefined;
  }

  /** A server may order the fields its own way: then as we expect them. */
  #unusual(data: Buffer, start: number, end: number, now: number): void {
    const { t, cid, seq, rev, mid, from, ...rest } = JSON.parse(data.toString('utf8', start, end)) as MessageFrame;
    const usual = Buffer.from(JSON.stringify({ t, cid, seq, rev, mid, from, ...rest }));
    if (start === 0 && end === usual.length && usual.equals(data)) return this.#context.error('unreadable message');
    this.message(usual, 0, usual.length, now);
  }

  #compare(data: Buffer, start: number, end: number): void {
    const { scanned, counts } = this.#context;
    const frame = JSON.parse(data.toString('utf8', start, end)) as MessageFrame;
    counts.sampled++;
    const same = frame.seq === scanned.seq && frame.mid === data.toString('latin1', scanned.midStart, scanned.midEnd);
    if (!same || frame.cid !== this.#plan.cid) this.#context.error('scanner misread');
  }

  #record(data: Buffer, end: number, replay: boolean): void {
    const { seq, midStart, midEnd } = this.#context.scanned;
    const fromStart = midEnd + TO_FROM;
    const from = data.toString('latin1', fromStart, data.indexOf(QUOTE, fromStart));
    const mid = data.toString('latin1', midStart, midEnd);
    const via = replay ? 'replay' : 'live';
    const staged = endsWith(data, end - 1, STAGE);
    if (endsWith(data, end - 1 - (staged ? STAGE.length : 0), this.#body))
      return this.#tell({ ev: 'recv', seq, mid, from, h: this.#ownDigest(), via, ...(staged ? { stage: 'accepted' } : {}) });
    const frame = JSON.parse(data.toString('utf8', data.lastIndexOf('{"t":"message"', midStart), end)) as MessageFrame;
    this.#tell({ ev: 'recv', seq, mid, from, h: bodyDigest(frame.body), via, ...marksOf(frame) });
  }

  /** All bodies of a run are the same: it is made once. */
  #ownDigest(): string {
    if (this.#digest === '') this.#digest = bodyDigest(JSON.parse(this.#body.toString()));
    return this.#digest;
  }
}

function endsWith(data: Buffer, end: number, bytes: Buffer): boolean {
  return end > bytes.length && bytes.compare(data, end - bytes.length, end) === 0;
}
