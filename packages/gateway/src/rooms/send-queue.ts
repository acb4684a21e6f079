/** What happens when a message finds the queue full. */
export type OverflowPolicy = 'drop_oldest' | 'drop_new' | 'disconnect';

/** The part of a socket that a queue uses. */
export interface Sink {
  /** Whether the kernel keeps up: what was written before is taken, or nearly. */
  readonly writable: boolean;
  write(bytes: Buffer): void;
}

export interface SendQueueOptions {
  sink: Sink;
  /** Frames kept. */
  max: number;
  policy: OverflowPolicy;
  /** Says in place of what was dropped how much it was. */
  gap(dropped: number): Buffer;
  onDropped(): void;
  onWritten(messages: number): void;
}

interface Entry {
  readonly bytes: Buffer;
  readonly reply: boolean;
}

/** Bytes that go in one write. */
const WRITE_BYTES = 64 * 1024;

/**
 * What one connection still has to get, in order. Bounded: a message that finds it full is dealt with by the policy.
 *
 * - Replies (`error`, `pong`, `welcome`) stand in the same line, so that they keep their place. They are never dropped: a message gives
 *   way to them, the oldest, or the newest with `drop_new`.
 * - With a queue of nothing but replies its client asks and does not read: whatever the policy, that is an overflow.
 * - A gap is marked where it is.
 */
export class SendQueue {
  readonly #options: SendQueueOptions;
  #entries: Entry[] = [];
  /** Dropped and not yet said. */
  #gap = 0;

  constructor(options: SendQueueOptions) {
    this.#options = options;
  }

  get length(): number {
    return this.#entries.length;
  }

  /** False on an overflow that must end the connection. Written with the next `flush`. */
  push(bytes: Buffer, { reply }: { reply: boolean }): boolean {
    const { sink, max, policy } = this.#options;
    if (this.#entries.length >= max && sink.writable) this.flush();
    if (this.#entries.length >= max) {
      const outcome = this.#overflow(reply);
      if (outcome !== 'room') return outcome === 'dropped';
    }
    if (policy === 'drop_new' && !reply) this.#markGap();
    this.#entries.push({ bytes, reply });
    return true;
  }

  /** Writes as much as the kernel takes. */
  flush(): void {
    const { sink, policy } = this.#options;
    if (policy === 'drop_oldest' && sink.writable && this.#gap > 0) this.#entries.unshift(this.#takeGap());
    while (this.#entries.length > 0 && sink.writable) this.#write();
    // With `drop_new` the gap is behind everything that was kept.
    if (this.#entries.length > 0 || !sink.writable || this.#gap === 0) return;
    this.#markGap();
    this.#write();
  }

  #overflow(reply: boolean): 'room' | 'dropped' | 'full' {
    const { policy, onDropped } = this.#options;
    if (policy === 'disconnect') return 'full';
    const isMessage = (entry: Entry) => !entry.reply;
    const at =
      policy === 'drop_oldest' ? this.#entries.findIndex(isMessage) : reply ? this.#entries.findLastIndex(isMessage) : this.#entries.length;
    if (at === -1 && reply) return 'full';
    this.#gap++;
    onDropped();
    if (at === -1 || at === this.#entries.length) return 'dropped';
    this.#entries.splice(at, 1);
    return 'room';
  }

  #write(): void {
    let bytes = 0;
    let count = 0;
    let messages = 0;
    for (const entry of this.#entries) {
      if (count > 0 && bytes + entry.bytes.length > WRITE_BYTES) break;
      bytes += entry.bytes.length;
      count++;
      if (!entry.reply) messages++;
    }
    const chunk = this.#entries.splice(0, count).map((entry) => entry.bytes);
    this.#options.sink.write(chunk.length === 1 ? chunk[0]! : Buffer.concat(chunk, bytes));
    if (messages > 0) this.#options.onWritten(messages);
  }

  #markGap(): void {
    if (this.#gap > 0) this.#entries.push(this.#takeGap());
  }

  /** A mark is never dropped, or the gap would go unsaid. */
  #takeGap(): Entry {
    const bytes = this.#options.gap(this.#gap);
    this.#gap = 0;
    return { bytes, reply: true };
  }
}
