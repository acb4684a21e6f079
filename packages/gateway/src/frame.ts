import { msgpackCodec } from '@gapless/protocol';

/** Ways in which frames go over a connection; each is encoded once, whoever gets it. */
export const ENCODING = { json: 0, jsonBatch: 1, msgpack: 2 } as const;
export type Encoding = (typeof ENCODING)[keyof typeof ENCODING];

const OPCODE_TEXT = 0x81;
const OPCODE_BINARY = 0x82;

/** A down frame, encoded at first need and then shared by all connections. Never change the bytes it gives. */
export class Frame {
  readonly text: string;
  #json: Buffer | undefined;
  #msgpack: Buffer | undefined;

  /** `text` is the frame as JSON. */
  constructor(text: string) {
    this.text = text;
  }

  static of(value: object): Frame {
    return new Frame(JSON.stringify(value));
  }

  /** The frame as one WebSocket message, header included. */
  bytes(encoding: Encoding): Buffer {
    if (encoding === ENCODING.msgpack) return (this.#msgpack ??= packet(msgpackCodec.encode(JSON.parse(this.text)), OPCODE_BINARY));
    return (this.#json ??= textPacket(this.text));
  }
}

/** Several frames of one conversation as bytes to be written at once. */
export function joinFrames(frames: readonly Frame[], encoding: Encoding): Buffer {
  if (frames.length === 1) return frames[0]!.bytes(encoding);
  if (encoding === ENCODING.jsonBatch) return textPacket(`[${frames.map((frame) => frame.text).join(',')}]`);
  return Buffer.concat(frames.map((frame) => frame.bytes(encoding)));
}

function textPacket(text: string): Buffer {
  const length = Buffer.byteLength(text);
  const buffer = Buffer.allocUnsafe(headerBytes(length) + length);
  buffer.write(text, writeHeader(buffer, OPCODE_TEXT, length), 'utf8');
  return buffer;
}

function packet(payload: Uint8Array, opcode: number): Buffer {
  const buffer = Buffer.allocUnsafe(headerBytes(payload.length) + payload.length);
  buffer.set(payload, writeHeader(buffer, opcode, payload.length));
  return buffer;
}

// Server frames are not masked (RFC 6455, 5.1): header and payload are the same bytes for every socket.

function headerBytes(length: number): number {
  if (length < 126) return 2;
  return length < 65_536 ? 4 : 10;
}

function writeHeader(buffer: Buffer, opcode: number, length: number): number {
  buffer[0] = opcode;
  if (length < 126) {
    buffer[1] = length;
    return 2;
  }
  if (length < 65_536) {
    buffer[1] = 126;
    buffer.writeUInt16BE(length, 2);
    return 4;
  }
  buffer[1] = 127;
  buffer.writeUInt32BE(Math.floor(length / 2 ** 32), 2);
  buffer.writeUInt32BE(length >>> 0, 6);
  return 10;
}

/** A WebSocket ping without payload. */
export const PING = Buffer.from([0x89, 0]);
