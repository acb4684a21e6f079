import type { DownFrameOf, UpFrameOf } from '@gapless/protocol';
import { ERRORS } from '@gapless/protocol/codes';
import { Backoff } from './backoff.ts';
import { GaplessError, knownCode } from './errors.ts';
import type { OutboxItem, OutboxStorage } from './types.ts';

/** The server closes the connection for a larger frame, so such a message must never leave. */
const FRAME_MAX_BYTES = 64 * 1024;
/** The server answers or closes long before; against an answer that got lost on a connection that lives. */
const ACK_TIMEOUT_MS = 20_000;

/** What the server said of a saved message. */
export interface Saved {
  readonly seq: number;
  readonly at: number;
}

/** One message on its way, or stuck. Replaced, never changed, when something happens to it. */
export interface Entry {
  readonly item: OutboxItem;
  readonly status: 'sending' | 'sent' | 'failed';
  readonly saved?: Saved;
  readonly error?: string;
}

interface Waiter {
  resolve(saved: Saved): void;
  reject(error: GaplessError): void;
}

interface Lane {
  /** In the order of the calls; the first ones may be on their way. */
  waiting: string[];
  readonly inFlight: Set<string>;
  /** Of the ack that is waited for, or of the next try. */
  timer: ReturnType<typeof setTimeout> | undefined;
  paused: boolean;
  readonly backoff: Backoff;
  readonly entries: Map<string, Entry>;
}

export interface SendQueueOptions {
  readonly outbox: OutboxStorage;
  /** Unacked messages of one conversation on the wire. More than 1 is quicker and may change their order after a retryable error. */
  readonly window: number;
  readonly send: (frame: UpFrameOf<'send'>) => boolean;
  /** An entry of this conversation came, went or changed. */
  readonly onChange: (cid: string) => void;
}

/**
 * Messages from the call to `send` until the server saved them.
 *
 * - In the outbox before anyone sees them; out of it when saved or dropped. Those refused for good wait there for a decision.
 * - A lane per conversation keeps the order of the calls. A retryable error pauses the lane; it goes on from the failed one.
 * - The mid stays, so however often one is sent, it is one message.
 */
export class SendQueue {
  readonly #options: SendQueueOptions;
  readonly #lanes = new Map<string, Lane>();
  readonly #waiters = new Map<string, Waiter[]>();
  #online = false;
  /** Settles when everything before is in the outbox: keeps the order of calls. */
  #stored: Promise<unknown>;

  constructor(options: SendQueueOptions) {
    this.#options = options;
    this.#stored = this.#load();
  }

  async #load(): Promise<void> {
    // A storage that cannot be read has nothing to give; sending must go on without it.
    const items = await this.#options.outbox.load().catch(() => []);
    for (const { failed, ...item } of items) {
      if (failed === undefined) this.#enqueue(item);
      else this.#lane(item.cid).entries.set(item.mid, { item, status: 'failed', error: failed });
      this.#options.onChange(item.cid);
    }
  }

  /** Entries in order of the calls: saved ones that nobody has seen on the wire yet, sending, failed. */
  entries(cid: string): Iterable<Entry> {
    return this.#lanes.get(cid)?.entries.values() ?? [];
  }

  /** Resolves when saved. @throws GaplessError when refused for good, `closed` when the client was closed first */
  send(item: OutboxItem): Promise<Saved> {
    const saved = new Promise<Saved>((resolve, reject) => {
      const key = keyOf(item);
      this.#waiters.set(key, [...(this.#waiters.get(key) ?? []), { resolve, reject }]);
    });
    this.#store(item);
    return saved;
  }

  #store(item: OutboxItem): void {
    // Storage full or forbidden: the message is sent all the same, it only does not survive a reload.
    const put = this.#options.outbox.put(item).catch(() => {});
    this.#stored = Promise.all([this.#stored, put]).then(() => this.#enqueue(item));
  }

  #enqueue(item: OutboxItem): void {
    const lane = this.#lane(item.cid);
    // Again for a mid that is on its way: one message.
    if (lane.entries.get(item.mid)?.status === 'sending') return;
    lane.entries.delete(item.mid);
    lane.entries.set(item.mid, { item, status: 'sending' });
    if (new TextEncoder().encode(JSON.stringify(toFrame(item))).length > FRAME_MAX_BYTES)
      return this.#fail(lane, item, new GaplessError('too_large', ERRORS.too_large.say));
    lane.waiting.push(item.mid);
    this.#options.onChange(item.cid);
    this.#pump(item.cid, lane);
  }

  /** A new connection: everything unacked goes again. */
  resume(): void {
    this.#online = true;
    for (const [cid, lane] of this.#lanes) this.#pump(cid, lane);
  }

  pause(): void {
    this.#online = false;
    for (const lane of this.#lanes.values()) {
      clearTimeout(lane.timer);
      lane.paused = false;
      lane.inFlight.clear();
    }
  }

  /** Nobody hears of the outcome any more; the messages stay in the outbox and go with the next connection. */
  close(): void {
    this.pause();
    const waiters = [...this.#waiters.values()].flat();
    this.#waiters.clear();
    for (const { reject } of waiters) reject(new GaplessError('closed', 'The client was closed; the message stays in the outbox.'));
  }

  retry(cid: string, mid: string): void {
    const entry = this.#lanes.get(cid)?.entries.get(mid);
    if (entry?.status === 'failed') this.#store(entry.item);
  }

  /** Drops a failed or a saved one. */
  forget(cid: string, mid: string): void {
    const entries = this.#lanes.get(cid)?.entries;
    const entry = entries?.get(mid);
    if (entry === undefined || entry.status === 'sending') return;
    entries!.delete(mid);
    if (entry.status === 'failed') this.#options.outbox.remove(cid, mid).catch(() => {});
    this.#options.onChange(cid);
  }

  onAck({ cid, mid, pos, at, stage }: DownFrameOf<'ack'>): void {
    // `accepted` has a seq, but only `saved` is a promise.
    if (mid !== undefined && stage === 'saved') this.settle(cid, mid, { seq: pos, at });
  }

  /** Saved: by its ack, or because the message itself was seen. */
  settle(cid: string, mid: string, saved: Saved): void {
    const lane = this.#lanes.get(cid);
    const entry = lane?.entries.get(mid);
    if (lane === undefined || entry === undefined || entry.saved !== undefined) return;
    lane.backoff.reset();
    this.#finish(lane, { item: entry.item, status: 'sent', saved });
    for (const { resolve } of this.#takeWaiters(entry.item)) resolve(saved);
    this.#pump(cid, lane);
  }

  onError({ code, msg, ref, retryAfterMs }: DownFrameOf<'error'>): void {
    if (ref?.cid === undefined || ref.mid === undefined) return;
    const { cid, mid } = ref;
    const lane = this.#lanes.get(cid);
    const entry = lane?.entries.get(mid);
    // Not on its way: an earlier error already put it back.
    if (lane === undefined || entry === undefined || !lane.inFlight.has(mid)) return;
    const known = knownCode(code);
    const final = known === undefined ? retryAfterMs === undefined : ERRORS[known].retry === 'never';
    if (!final) return this.#pauseLane(cid, lane, retryAfterMs ?? lane.backoff.next());
    this.#fail(lane, entry.item, new GaplessError(known ?? 'internal', msg));
    this.#pump(cid, lane);
  }

  /** Nothing more goes until then; answers to what is already on the wire still count. */
  #pauseLane(cid: string, lane: Lane, delayMs: number): void {
    lane.inFlight.clear();
    lane.paused = true;
    clearTimeout(lane.timer);
    lane.timer = setTimeout(() => {
      lane.paused = false;
      this.#pump(cid, lane);
    }, delayMs);
  }

  #pump(cid: string, lane: Lane): void {
    if (!this.#online || lane.paused) return;
    for (const mid of lane.waiting.slice(0, this.#options.window)) {
      if (lane.inFlight.has(mid)) continue;
      if (!this.#options.send(toFrame(lane.entries.get(mid)!.item))) return;
      lane.inFlight.add(mid);
    }
    clearTimeout(lane.timer);
    if (lane.inFlight.size > 0) lane.timer = setTimeout(() => this.#pauseLane(cid, lane, 0), ACK_TIMEOUT_MS);
  }

  #fail(lane: Lane, item: OutboxItem, error: GaplessError): void {
    this.#finish(lane, { item, status: 'failed', error: error.code });
    for (const { reject } of this.#takeWaiters(item)) reject(error);
  }

  #finish(lane: Lane, entry: Entry): void {
    const { cid, mid } = entry.item;
    lane.waiting = lane.waiting.filter((each) => each !== mid);
    lane.inFlight.delete(mid);
    lane.entries.set(mid, entry);
    const { outbox } = this.#options;
    // Left in the outbox by a broken storage it would be sent once more after a reload, which the mid makes harmless.
    const kept = entry.error === undefined ? outbox.remove(cid, mid) : outbox.put({ ...entry.item, failed: entry.error });
    kept.catch(() => {});
    this.#options.onChange(cid);
  }

  #takeWaiters(item: OutboxItem): Waiter[] {
    const waiters = this.#waiters.get(keyOf(item)) ?? [];
    this.#waiters.delete(keyOf(item));
    return waiters;
  }

  #lane(cid: string): Lane {
    let lane = this.#lanes.get(cid);
    if (lane === undefined) {
      lane = { waiting: [], inFlight: new Set(), timer: undefined, paused: false, backoff: new Backoff(), entries: new Map() };
      this.#lanes.set(cid, lane);
    }
    return lane;
  }
}

/** Always the same for the same item: another payload under the same mid would be a conflict. */
function toFrame({ createdAt: _, ...fields }: OutboxItem): UpFrameOf<'send'> {
  return { t: 'send', ...fields };
}

const keyOf = ({ cid, mid }: OutboxItem) => `${cid} ${mid}`;
