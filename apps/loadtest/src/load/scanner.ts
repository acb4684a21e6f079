const EMPTY = Buffer.alloc(0);
const QUOTE = 0x22;
const NEEDLE_SEQ = Buffer.from('"seq":');
const NEEDLE_MID = Buffer.from('"mid":"');

export interface FrameSink {
  text(payload: Buffer): void;
  ping(payload: Buffer): void;
  close(code: number): void;
}

/** Finds the frames of a server's WebSocket stream by their headers, however the stream is cut. */
export class FrameScanner {
  readonly #sink: FrameSink;
  #rest: Buffer = EMPTY;

  constructor(sink: FrameSink) {
    this.#sink = sink;
  }

  push(chunk: Buffer): void {
    const data = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    let at = 0;
    for (;;) {
      const end = this.#frame(data, at);
      if (end === -1) break;
      at = end;
    }
    this.#rest = at === data.length ? EMPTY : data.subarray(at);
  }

  /** Hands on the frame at `at`; where it ends, or -1 when it is not all there. */
  #frame(data: Buffer, at: number): number {
    if (data.length - at < 2) return -1;
    let length = data[at + 1]! & 127;
    let start = at + 2;
    if (length === 126) {
      if (data.length - at < 4) return -1;
      length = data.readUInt16BE(at + 2);
      start = at + 4;
    } else if (length === 127) {
      if (data.length - at < 10) return -1;
      length = Number(data.readBigUInt64BE(at + 2));
      start = at + 10;
    }
    const end = start + length;
    if (data.length < end) return -1;
    const opcode = data[at]! & 15;
    if (opcode === 1) this.#sink.text(data.subarray(start, end));
    else if (opcode === 9) this.#sink.ping(data.subarray(start, end));
    else if (opcode === 8) this.#sink.close(length >= 2 ? data.readUInt16BE(start) : 1005);
    return end;
  }
}

/** Whether the frame is `{"t":"message",…`; servers put `t` first. */
export function isMessage(payload: Buffer): boolean {
  return payload[6] === 0x6d && payload[7] === 0x65 && payload[8] === 0x73; // mes
}

export interface Scanned {
  readonly cid: string;
  readonly seq: number;
  readonly mid: string;
}

/** The fields that are measured, without parsing the body: `{"t":"message","cid":"…","seq":n,"rev":n,"mid":"…"`. */
export function scanMessage(payload: Buffer): Scanned | undefined {
  const cidAt = 22;
  const cidEnd = payload.indexOf(QUOTE, cidAt);
  const seqAt = payload.indexOf(NEEDLE_SEQ, cidEnd);
  const midAt = payload.indexOf(NEEDLE_MID, seqAt);
  if (cidEnd === -1 || seqAt === -1 || midAt === -1) return undefined;
  let seq = 0;
  for (let at = seqAt + NEEDLE_SEQ.length; payload[at]! >= 0x30 && payload[at]! <= 0x39; at++) seq = seq * 10 + payload[at]! - 0x30;
  const start = midAt + NEEDLE_MID.length;
  return { cid: payload.toString('latin1', cidAt, cidEnd), seq, mid: payload.toString('latin1', start, payload.indexOf(QUOTE, start)) };
}
