import type { DownFrameOf, http, UpFrameOf } from '@gapless/protocol';
import { ERRORS } from '@gapless/protocol/codes';
import { Backoff } from './backoff.ts';
import { GaplessError, knownCode, retryOf } from './errors.ts';
import type { OutboxItem, OutboxStorage } from './types.ts';

/** The server closes the connection for a larger frame, so such a message must never leave. */
const FRAME_MAX_BYTES = 64 * 1024;
/** The server answers or closes long before; against an answer that got lost on a connection that lives. */
const ACK_TIMEOUT_MS = 20_000;
/** The same for `saved` after `accepted`, which may take as long as the database is away. */
const SAVED_TIMEOUT_MS = 60_000;

/** What the server said of an accepted or saved message. */
export interface Given {
  readonly seq: number;
  readonly at: number;
}

/** One message on its way, or stuck. Replaced, never changed, when something happens to it. */
export interface Entry {
  readonly item: OutboxItem;
  readonly status: 'sending' | 'accepted' | 'sent' | 'failed';
  /** Of accepted and sent ones. */
  readonly given?: Given;
  readonly error?: string;
}

interface Waiter {
  resolve(saved: Given): void;
  reject(error: GaplessError): void;
}

interface Lane {
  /** In the order of the calls. */
  readonly entries: Map<string, Entry>;
  readonly inFlight: Set<string>;
  /** Accepted once, and not yet on this connection: they are sent again, before what comes after them. */
  readonly unsure: Set<string>;
  /** Of the ack that is waited for, or of the next try. */
  timer: ReturnType<typeof setTimeout> | undefined;
  paused: boolean;
  readonly backoff: Backoff;
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
 * - An accepted one lets the next one go, and is waited for. One whose number was lost goes back to its place, and is sent again.
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

  /** In order of the calls, saved ones until they are forgotten. */
  entries(cid: string): Iterable<Entry> {
    return this.#lanes.get(cid)?.entries.values() ?? [];
  }

  /** Resolves when saved. @throws GaplessError when refused for good, `closed` when the client was closed first */
  send(item: OutboxItem): Promise<Given> {
    const saved = new Promise<Given>((resolve, reject) => {
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
    const { cid, mid } = item;
    const lane = this.#lane(cid);
    // Again for a mid that is on its way: one message.
    if (isOpen(lane.entries.get(mid))) return;
    lane.entries.delete(mid);
    lane.entries.set(mid, { item, status: 'sending' });
    if (new TextEncoder().encode(JSON.stringify(toFrame(item))).length > FRAME_MAX_BYTES)
      return this.#fail(lane, item, new GaplessError('too_large', ERRORS.too_large.say));
    this.#options.onChange(cid);
    this.#pump(cid, lane);
  }

  /** A new connection: everything that is not saved goes again. */
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
      doubt(lane);
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
    if (entry === undefined || isOpen(entry)) return;
    entries!.delete(mid);
    if (entry.status === 'failed') this.#options.outbox.remove(cid, mid).catch(() => {});
    this.#options.onChange(cid);
  }

  onAck({ cid, mid, pos, at, stage }: DownFrameOf<'ack'>): void {
    const lane = this.#lanes.get(cid);
    if (lane === undefined || mid === undefined) return;
    // From here on this connection is told what becomes of it, so it need not be asked again.
    lane.inFlight.delete(mid);
    lane.unsure.delete(mid);
    this.#given(lane, mid, { seq: pos, at }, stage);
    this.#pump(cid, lane);
  }

  /** The message itself was seen, whatever became of its ack. */
  seen({ cid, mid, seq, at, stage }: http.Message): void {
    const lane = this.#lanes.get(cid);
    if (lane === undefined) return;
    if (lane.entries.get(mid)?.status === 'sending') lane.unsure.add(mid);
    this.#given(lane, mid, { seq, at }, stage);
    this.#pump(cid, lane);
  }

  #given(lane: Lane, mid: string, given: Given, stage: 'accepted' | 'saved' = 'saved'): void {
    const entry = lane.entries.get(mid);
    // An accepted one that was refused since waits for its user, unless it is saved after all.
    if (entry === undefined || !(isOpen(entry) || (entry.status === 'failed' && stage === 'saved'))) return;
    const { item } = entry;
    lane.backoff.reset();
    if (stage === 'accepted') return this.#set(lane, { item, status: 'accepted', given });
    this.#finish(lane, { item, status: 'sent', given });
    for (const { resolve } of this.#takeWaiters(item)) resolve(given);
  }

  onError({ code, msg, ref, retryAfterMs }: DownFrameOf<'error'>): void {
    if (ref?.cid === undefined || ref.mid === undefined) return;
    const { cid, mid } = ref;
    const lane = this.#lanes.get(cid);
    const entry = lane?.entries.get(mid);
    // Not on its way: an earlier error already put it back.
    if (lane === undefined || entry === undefined || !(lane.inFlight.has(mid) || entry.status === 'accepted')) return;
    const retry = retryOf(code) ?? (retryAfterMs === undefined ? 'never' : 'later');
    if (retry === 'never') {
      this.#fail(lane, entry.item, new GaplessError(knownCode(code) ?? 'internal', msg));
      return this.#pump(cid, lane);
    }
    // A number that it had may be lost, unless all this says is that nobody looked this time.
    if (retry === 'same_mid' || !lane.inFlight.has(mid)) this.#void(lane, entry);
    this.#pauseLane(cid, lane, retryAfterMs ?? lane.backoff.next());
  }

  onLost({ cid, seqs }: DownFrameOf<'change'>): void {
    const lane = this.#lanes.get(cid);
    if (lane === undefined || seqs === undefined) return;
    for (const entry of lane.entries.values()) if (entry.status === 'accepted' && seqs.includes(entry.given!.seq)) this.#void(lane, entry);
    this.#pump(cid, lane);
  }

  #void(lane: Lane, { item }: Entry): void {
    lane.unsure.delete(item.mid);
    this.#set(lane, { item, status: 'sending' });
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
    const open = [...lane.entries.values()].filter(isOpen);
    const waiting = open.filter(({ status, item: { mid } }) => status === 'sending' || lane.unsure.has(mid));
    for (const { item } of waiting.slice(0, this.#options.window)) {
      if (lane.inFlight.has(item.mid)) continue;
      if (!this.#options.send(toFrame(item))) return;
      lane.inFlight.add(item.mid);
    }
    clearTimeout(lane.timer);
    if (lane.inFlight.size > 0) lane.timer = setTimeout(() => this.#pauseLane(cid, lane, 0), ACK_TIMEOUT_MS);
    else if (open.length > 0)
      lane.timer = setTimeout(() => {
        doubt(lane);
        this.#pump(cid, lane);
      }, SAVED_TIMEOUT_MS);
  }

  #fail(lane: Lane, item: OutboxItem, error: GaplessError): void {
    this.#finish(lane, { item, status: 'failed', error: error.code });
    for (const { reject } of this.#takeWaiters(item)) reject(error);
  }

  #finish(lane: Lane, entry: Entry): void {
    const { cid, mid } = entry.item;
    lane.inFlight.delete(mid);
    lane.unsure.delete(mid);
    const { outbox } = this.#options;
    // Left in the outbox by a broken storage it would be sent once more after a reload, which the mid makes harmless.
    const kept = entry.error === undefined ? outbox.remove(cid, mid) : outbox.put({ ...entry.item, failed: entry.error });
    kept.catch(() => {});
    this.#set(lane, entry);
  }

  #set(lane: Lane, entry: Entry): void {
    lane.entries.set(entry.item.mid, entry);
    this.#options.onChange(entry.item.cid);
  }

  #takeWaiters(item: OutboxItem): Waiter[] {
    const waiters = this.#waiters.get(keyOf(item)) ?? [];
    this.#waiters.delete(keyOf(item));
    return waiters;
  }

  #lane(cid: string): Lane {
    let lane = this.#lanes.get(cid);
    if (lane === undefined) {
      lane = { entries: new Map(), inFlight: new Set(), unsure: new Set(), timer: undefined, paused: false, backoff: new Backoff() };
      this.#lanes.set(cid, lane);
    }
    return lane;
  }
}

/** Neither saved nor refused. */
function isOpen(entry: Entry | undefined): boolean {
  return entry?.status === 'sending' || entry?.status === 'accepted';
}

/** Nobody tells any more what becomes of those that are accepted. */
function doubt({ entries, unsure }: Lane): void {
  for (const { status, item } of entries.values()) if (status === 'accepted') unsure.add(item.mid);
}

/** Always the same for the same item: another payload under the same mid would be a conflict. */
function toFrame({ createdAt: _, ...fields }: OutboxItem): UpFrameOf<'send'> {
  return { t: 'send', ...fields };
}

const keyOf = ({ cid, mid }: OutboxItem) => `${cid} ${mid}`;
