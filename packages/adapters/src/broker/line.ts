import type { Topic } from '@gapless/core';

/**
 * One connection to a broker's server, as long as it holds. It never repairs itself: what ends it is told once through `lost`, and then
 * another one is opened. So nothing that was queued on an old connection can come out of a new one.
 */
export interface Line {
  /** UTF-8 bytes of one payload that the server is certain to take. */
  readonly payloadMaxBytes: number;
  /** Hands over, in the order of the calls; throws when that cannot be. `bytes` is the payload in UTF-8. */
  publish(topic: Topic, payload: string, bytes: number): void;
  /** Resolves when everything published from here on reaches `take`. Called once per topic, until `unlisten`. */
  listen(topic: Topic, take: (payload: string) => void): Promise<void>;
  unlisten(topic: Topic): Promise<void>;
  /** Resolves after the server has answered. Need not end by itself; nor need `flush`. */
  check(): Promise<void>;
  /** Resolves when what was handed over until now is taken. */
  flush(): Promise<void>;
  /** Safe to call after it was lost. */
  close(): Promise<void>;
}

/** What a line tells of itself. */
export interface LineEvents {
  /** It carries nothing any more. More than once is once. */
  lost(error: unknown): void;
  /** The server did not take what was handed over; the line holds. */
  refused(error: unknown): void;
  /** Something that listens ended and was started again. */
  restarted(error: unknown): void;
}

/** Rejects when there is no connection to be had now. */
export type OpenLine = (events: LineEvents) => Promise<Line>;

/**
 * Handed over and not yet taken by the server: more is refused. Seconds of the traffic that one process can make, so that only a server
 * that stands still gets there, and little enough not to matter for the process.
 */
export const UNTAKEN_MAX_BYTES = 16 * 1024 * 1024;

/** Counts what is handed over and not yet taken. */
export class Untaken {
  #bytes = 0;

  get bytes(): number {
    return this.#bytes;
  }

  add(bytes: number): void {
    if (this.#bytes + bytes > UNTAKEN_MAX_BYTES) throw new Error('the broker takes less than is published');
    this.#bytes += bytes;
  }

  taken(bytes: number): void {
    this.#bytes -= bytes;
  }
}
