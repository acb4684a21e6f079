import type { Log } from '@gapless/core';
import type { Clock } from '@gapless/kit';
import type { CatchUp } from './catch-up.ts';
import { ENCODING, Frame, type Sendable } from './frame.ts';
import type { GatewayLimits } from './limits.ts';
import type { GatewayMetrics } from './metrics.ts';
import type { Session } from './session.ts';
import type { Subscription } from './subscription.ts';

export interface FlusherOptions {
  clock: Clock;
  limits: GatewayLimits;
  metrics: GatewayMetrics;
  catchUp: CatchUp;
  log: Log;
  /** A subscription reached the last rev it may see. */
  onEnded: (subscription: Subscription) => void;
}

/**
 * Writes sessions what they have to get: one write per session and tick. First frames to the session alone, then merged ones, then each
 * marked conversation from the subscription's position. A session that is not writable is left alone until it drained; nothing is
 * queued for it but positions.
 */
export class Flusher {
  readonly #options: FlusherOptions;
  #queue: Session[] = [];
  #scheduled = false;
  /** When the oldest frame of the running flush was handed in. */
  #since = 0;

  constructor(options: FlusherOptions) {
    this.#options = options;
  }

  /** The subscription may have something to deliver. */
  mark(subscription: Subscription): void {
    if (subscription.dirty || subscription.paused || subscription.closed) return;
    subscription.dirty = true;
    subscription.session.dirty.push(subscription);
    this.enqueue(subscription.session);
  }

  /** To this session alone; kept in order, and before what conversations have for it. */
  reply(session: Session, frame: Sendable): void {
    if (session.closed) return;
    session.control.push(frame);
    this.enqueue(session);
  }

  /** Replaces an unwritten frame of the same key. A droppable one is not kept for a connection that does not read. */
  merge(session: Session, key: string, frame: Frame, options: { droppable: boolean }): void {
    if (session.closed) return;
    if (options.droppable && this.holdsBack(session)) return this.#options.metrics.ephemeralLost('dropped', 1);
    session.merged ??= new Map();
    if (session.merged.delete(key) && options.droppable) this.#options.metrics.ephemeralLost('merged', 1);
    session.merged.set(key, { frame, droppable: options.droppable });
    this.enqueue(session);
  }

  enqueue(session: Session): void {
    if (session.queued || session.closed) return;
    session.queued = true;
    this.#queue.push(session);
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#since = performance.now();
    setImmediate(this.#run);
  }

  /** Whether the session is not written to now. */
  holdsBack({ blockedAt }: Session): boolean {
    const { enabled, dropWhenUnwritable } = this.#options.limits.backpressure;
    return blockedAt !== undefined && enabled && dropWhenUnwritable;
  }

  /** The kernel took bytes that had waited. A session that was not writable is, at the low water mark. */
  drained(session: Session): void {
    const { lowWaterBytes } = this.#options.limits.backpressure;
    if (session.blockedAt === undefined || session.closed) return;
    if (this.holdsBack(session) && session.transport.bufferedBytes > lowWaterBytes) return;
    session.blockedAt = undefined;
    // Its pongs waited unread; that it takes bytes is a sign of life.
    session.lastSeenAt = this.#options.clock.elapsed();
    this.#options.metrics.unblocked();
    session.transport.resumeReading();
    for (const { channel, behind, ending } of session.dirty) {
      if (behind > 0 && !ending) this.reply(session, Frame.of({ t: 'behind', cid: channel.cid, head: channel.head, by: behind }));
    }
    this.enqueue(session);
  }

  /** A page of the subscription was written, or could not be: what else the session waits for goes on. */
  pageDone(subscription: Subscription): void {
    this.mark(subscription);
    this.enqueue(subscription.session);
  }

  /** Writes now what the session has, for frames that must go before a close: all that are to it alone. */
  flushNow(session: Session): void {
    this.#flushOrClose(session, true);
  }

  #run = (): void => {
    const started = performance.now();
    const queue = this.#queue;
    this.#queue = [];
    let i = 0;
    for (; i < queue.length; i++) {
      const session = queue[i]!;
      session.queued = false;
      this.#flushOrClose(session);
      // The clock is cheap, but not for every write.
      if ((i & 31) === 31 && performance.now() - started > this.#options.limits.sliceMs) {
        i++;
        break;
      }
    }
    if (i < queue.length) this.#queue = queue.slice(i).concat(this.#queue);
    this.#scheduled = this.#queue.length > 0;
    if (this.#scheduled) setImmediate(this.#run);
    else this.#options.metrics.deliveryMs(performance.now() - this.#since);
  };

  /** A mistake with one session must not end the others. */
  #flushOrClose(session: Session, all = false): void {
    try {
      this.#flush(session, all);
    } catch (error) {
      this.#options.log.error({ err: error, conn: session.conn }, 'flush failed');
      session.transport.terminate();
    }
  }

  #flush(session: Session, all: boolean): void {
    if (session.closed) return;
    if (this.#isBlocked(session)) return;
    const parcel = new Parcel(this.#roomOf(session));
    this.#takeControl(session, parcel, all);
    this.#takeMerged(session, parcel);
    this.#deliver(session, parcel);
    if (parcel.chunks.length > 0) session.transport.write(parcel.bytes());
  }

  /** Adds frames to the session alone, as many as there is room for, or all. */
  #takeControl(session: Session, parcel: Parcel, all: boolean): void {
    const { control } = session;
    if (control.length === 0) return;
    const encoding = soleEncoding(session.transport.encoding);
    let taken = 0;
    while (taken < control.length && (all || parcel.room > 0)) parcel.add(control[taken++]!.bytes(encoding));
    session.control = taken === control.length ? [] : control.slice(taken);
    if (session.control.length > 0) this.enqueue(session);
  }

  /** Adds merged frames, as many as there is room for; the rest waits for the next write. */
  #takeMerged(session: Session, parcel: Parcel): void {
    const { merged } = session;
    if (merged === undefined) return;
    const encoding = soleEncoding(session.transport.encoding);
    for (const [key, { frame }] of merged) {
      if (parcel.room <= 0) return this.enqueue(session);
      parcel.add(frame.bytes(encoding));
      merged.delete(key);
    }
    session.merged = undefined;
  }

  /** Adds what the marked conversations have, as far as one write reaches; the rest stays marked. */
  #deliver(session: Session, parcel: Parcel): void {
    const { metrics, catchUp } = this.#options;
    const marked = session.dirty;
    if (marked.length === 0) return;
    session.dirty = [];
    for (const subscription of marked) {
      subscription.dirty = false;
      const { tail } = subscription.channel;
      if (subscription.closed || subscription.paused || tail === undefined) continue;
      if (subscription.since !== undefined || (subscription.behind > 0 && !tail.covers(subscription.position))) {
        // One page at a time for a connection, however many of its conversations are behind; the others stay marked. And none before a
        // `joined` that waits for room.
        if (session.paging || session.control.length > 0) this.#keep(subscription);
        else catchUp.start(subscription);
        continue;
      }
      // What a conversation has comes behind its `joined`, which may still wait for room.
      if (subscription.behind > 0 && parcel.room > 0 && session.control.length === 0) parcel.add(this.#next(subscription, metrics));
      if (subscription.position >= subscription.lastRev) this.#options.onEnded(subscription);
      else if (subscription.behind > 0) this.mark(subscription);
    }
  }

  /** Bytes of one write, but for the frame that exceeds them. With backpressure, what fits under the high water mark. */
  #roomOf({ transport }: Session): number {
    const { enabled, dropWhenUnwritable, highWaterBytes } = this.#options.limits.backpressure;
    return enabled && dropWhenUnwritable ? highWaterBytes - transport.bufferedBytes : highWaterBytes;
  }

  #keep(subscription: Subscription): void {
    subscription.dirty = true;
    subscription.session.dirty.push(subscription);
  }

  #next(subscription: Subscription, metrics: GatewayMetrics): Buffer {
    const { position, behind } = subscription;
    const tail = subscription.channel.tail!;
    const bounds = { upTo: position + behind, maxBytes: this.#options.limits.runMaxBytes };
    const run = tail.run(position, subscription.session.transport.encoding, bounds);
    subscription.position = run.to;
    subscription.session.moved = true;
    metrics.delivered(run.to - position, run.bytes.length);
    return run.bytes;
  }

  /** From the high water mark down to the low one nothing more is written. Conversations keep their positions; `behind` tells when it ends. */
  #isBlocked(session: Session): boolean {
    const { backpressure } = this.#options.limits;
    if (!backpressure.enabled) return false;
    if (session.blockedAt === undefined) {
      if (session.transport.bufferedBytes < backpressure.highWaterBytes) return false;
      session.blockedAt = this.#options.clock.elapsed();
      session.blockedTaken = session.transport.takenBytes;
      this.#options.metrics.blocked();
    }
    if (!backpressure.dropWhenUnwritable) return false;
    // It does not hear answers: it need not be heard.
    session.transport.pauseReading();
    this.#dropEphemeral(session);
    return true;
  }

  #dropEphemeral({ merged }: Session): void {
    if (merged === undefined) return;
    let dropped = 0;
    for (const [key, { droppable }] of merged) if (droppable && merged.delete(key)) dropped++;
    if (dropped > 0) this.#options.metrics.ephemeralLost('dropped', dropped);
  }
}

/** What goes in one write. */
class Parcel {
  readonly chunks: Buffer[] = [];
  room: number;

  constructor(room: number) {
    this.room = room;
  }

  add(bytes: Buffer): void {
    if (bytes.length === 0) return;
    this.chunks.push(bytes);
    this.room -= bytes.length;
  }

  bytes(): Buffer {
    return this.chunks.length === 1 ? this.chunks[0]! : Buffer.concat(this.chunks);
  }
}

/** A frame alone is never in an array. */
function soleEncoding(encoding: (typeof ENCODING)[keyof typeof ENCODING]) {
  return encoding === ENCODING.jsonBatch ? ENCODING.json : encoding;
}
