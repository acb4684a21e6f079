import { Transform, type TransformCallback } from 'node:stream';

/** How one connection's bytes from the server fall into frames. */
export interface Protocol {
  /** Where the frame that begins at `start` ends, or undefined when more bytes are needed. */
  frameEnd(bytes: Buffer, start: number): number | undefined;
  /** Whether a whole frame is a message to a subscriber. Asked once for each frame, in order. */
  isMessage(frame: Buffer): boolean;
}

/** Passes whole frames on, without the messages that `drops` takes. */
export class FrameFilter extends Transform {
  readonly #protocol: Protocol;
  readonly #drops: () => boolean;
  #rest: Buffer = Buffer.alloc(0);

  constructor(protocol: Protocol, drops: () => boolean) {
    super();
    this.#protocol = protocol;
    this.#drops = drops;
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    let start = 0;
    for (let end: number | undefined; (end = this.#protocol.frameEnd(bytes, start)) !== undefined; start = end) {
      const frame = bytes.subarray(start, end);
      if (!this.#protocol.isMessage(frame) || !this.#drops()) this.push(frame);
    }
    this.#rest = bytes.subarray(start);
    done();
  }
}

/** Where the line that begins at `start` ends, its CR LF included. */
export function lineEnd(bytes: Buffer, start: number): number | undefined {
  const at = bytes.indexOf('\r\n', start);
  return at === -1 ? undefined : at + 2;
}
