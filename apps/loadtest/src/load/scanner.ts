import { digitOf, MID } from './mid.ts';

const QUOTE = 0x22;
const COMMA = 0x2c;
/** Kept for a frame that was cut, once it was needed; a larger one is let go with its frame. */
const KEPT_BYTES = 4_096;

export interface FrameSink {
  /** The bytes belong to the next frame as soon as this returns. */
  text(data: Buffer, start: number, end: number): void;
  ping(payload: Buffer): void;
  close(code: number): void;
}

/** Finds the frames of a server's WebSocket stream by their headers, however the stream is cut. Only a frame that was cut is copied. */
export class FrameScanner {
  readonly #sink: FrameSink;
  #part: Buffer | undefined;
  #held = 0;

  constructor(sink: FrameSink) {
    this.#sink = sink;
  }

  push(chunk: Buffer, from: number, to: number): void {
    let at = this.#held === 0 ? from : this.#complete(chunk, from, to);
    for (;;) {
      const bytes = frameBytes(chunk, at, to);
      if (bytes > to - at) break;
      this.#hand(chunk, at, at + bytes);
      at += bytes;
    }
    if (at < to) this.#hold(chunk, at, to);
  }

  /** Adds to the frame that was cut; where the chunk goes on behind it. */
  #complete(chunk: Buffer, from: number, to: number): number {
    let at = from;
    while (at < to) {
      const missing = frameBytes(this.#part!, 0, this.#held) - this.#held;
      if (missing === 0) break;
      const take = Math.min(missing, to - at);
      this.#hold(chunk, at, at + take);
      at += take;
    }
    if (frameBytes(this.#part!, 0, this.#held) > this.#held) return at;
    const [part, held] = [this.#part!, this.#held];
    this.#held = 0;
    if (part.length > KEPT_BYTES) this.#part = undefined;
    this.#hand(part, 0, held);
    return at;
  }

  #hold(chunk: Buffer, from: number, to: number): void {
    const held = this.#held + to - from;
    if (this.#part === undefined || this.#part.length < held) {
      const larger = Buffer.allocUnsafe(Math.max(512, 2 * held));
      this.#part?.copy(larger, 0, 0, this.#held);
      this.#part = larger;
    }
    chunk.copy(this.#part, this.#held, from, to);
    this.#held = held;
  }

  #hand(data: Buffer, at: number, end: number): void {
    const lengthByte = data[at + 1]! & 127;
    const start = at + (lengthByte < 126 ? 2 : lengthByte === 126 ? 4 : 10);
    const opcode = data[at]! & 15;
    if (opcode === 1) this.#sink.text(data, start, end);
    else if (opcode === 9) this.#sink.ping(data.subarray(start, end));
    else if (opcode === 8) this.#sink.close(end - start >= 2 ? data.readUInt16BE(start) : 1005);
  }
}

/** Bytes of the frame at `at`, header included; or of its header, as far as that can be told, when more than there are. */
function frameBytes(data: Buffer, at: number, to: number): number {
  if (to - at < 2) return 2;
  const length = data[at + 1]! & 127;
  if (length < 126) return 2 + length;
  if (length === 126) return to - at < 4 ? 4 : 4 + data.readUInt16BE(at + 2);
  return to - at < 10 ? 10 : 10 + Number(data.readBigUInt64BE(at + 2));
}

/** What `scanMessage` read; one of it is used again and again. */
export class Scanned {
  seq = 0;
  midStart = 0;
  midEnd = 0;
  /** Of this run. */
  own = false;
  /** The following only where it is of this run. Its latency counts; see mid.ts. */
  measured = false;
  intendedUs = 0;
  /** Who sent it, and on which node. */
  client = 0;
  node = 0;
}

/**
 * Reads `{"t":"message","cid":"…","seq":n,"rev":n,"mid":"…"` without making a string of anything: true when the frame stands so, as
 * servers write it. `tag`: of the run's mids; see mid.ts.
 */
export function scanMessage(data: Buffer, start: number, end: number, tag: Uint8Array, into: Scanned): boolean {
  let at = start + 22;
  while (at < end && data[at] !== QUOTE) at++;
  // `","seq":`
  if (data[at + 1] !== COMMA || data[at + 3] !== 0x73 || data[at + 5] !== 0x71) return false;
  at += 8;
  let seq = 0;
  for (; data[at]! >= 0x30 && data[at]! <= 0x39; at++) seq = seq * 10 + data[at]! - 0x30;
  // `,"rev":`
  if (data[at] !== COMMA || data[at + 2] !== 0x72 || data[at + 4] !== 0x76) return false;
  at += 7;
  while (data[at]! >= 0x30 && data[at]! <= 0x39) at++;
  // `,"mid":"`
  if (data[at] !== COMMA || data[at + 2] !== 0x6d || data[at + 4] !== 0x64 || data[at + 7] !== QUOTE) return false;
  at += 8;
  into.seq = seq;
  into.midStart = at;
  const midStart = at;
  while (at < end && data[at] !== QUOTE) at++;
  into.midEnd = at;
  into.own = at - midStart === MID.length && data[midStart + MID.tagAt] === tag[0] && data[midStart + MID.tagAt + 1] === tag[1];
  if (into.own) readMid(data, midStart, into);
  return at < end;
}

function readMid(data: Buffer, start: number, into: Scanned): void {
  const place = digitOf(data[start + MID.nodeAt]!);
  into.measured = (place & 1) === 1;
  into.node = place >> 1;
  into.client = numberAt(data, start + MID.clientAt, start + MID.nodeAt);
  into.intendedUs = numberAt(data, start + MID.intendedAt, start + MID.length);
}

function numberAt(data: Buffer, start: number, end: number): number {
  let value = 0;
  for (let at = start; at < end; at++) value = value * 32 + digitOf(data[at]!);
  return value;
}

export const FRAME = { message: 1, joined: 2, ack: 3, pong: 4, error: 5, read: 6, goaway: 7, change: 8, other: 0 } as const;

/** The type of a frame by its first letters: servers put `t` first. */
export function frameType(data: Buffer, start: number): (typeof FRAME)[keyof typeof FRAME] {
  switch (data[start + 6]) {
    case 0x6d:
      return FRAME.message;
    case 0x6a:
      return FRAME.joined;
    case 0x61:
      return FRAME.ack;
    case 0x70:
      return data[start + 7] === 0x6f ? FRAME.pong : FRAME.other;
    case 0x65:
      return FRAME.error;
    case 0x67:
      return FRAME.goaway;
    case 0x63:
      return data[start + 7] === 0x68 ? FRAME.change : FRAME.other;
    case 0x72:
      return data[start + 9] === 0x64 ? FRAME.read : FRAME.other;
    default:
      return FRAME.other;
  }
}
