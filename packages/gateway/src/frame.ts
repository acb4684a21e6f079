import type { ReplayPage } from '@gapless/core';
import { msgpackCodec } from '@gapless/protocol';

/** Ways in which frames go over a connection; each is encoded once, whoever gets it. */
export const ENCODING = { json: 0, jsonBatch: 1, msgpack: 2, sse: 3 } as const;
export type Encoding = (typeof ENCODING)[keyof typeof ENCODING];

const OPCODE_TEXT = 0x81;
const OPCODE_BINARY = 0x82;
const OPCODE_PONG = 0x8a;

/** One frame or some, as bytes for connections of any kind. Never change the bytes it gives. */
export interface Sendable {
  bytes(encoding: Encoding): Buffer;
}

/** A down frame, encoded at first need and then shared by all connections. Never change the bytes it gives. */
export class Frame implements Sendable {
  readonly text: string;
  #json: Buffer | undefined;
  #msgpack: Buffer | undefined;
  #event: Buffer | undefined;

  /** `text` is the frame as JSON. */
  constructor(text: string) {
    this.text = text;
  }

  static of(value: object): Frame {
    return new Frame(JSON.stringify(value));
  }

  /** The frame as one WebSocket message, header included, or as one server-sent event. */
  bytes(encoding: Encoding): Buffer {
    if (encoding === ENCODING.msgpack) return (this.#msgpack ??= packet(msgpackCodec.encode(JSON.parse(this.text)), OPCODE_BINARY));
    // JSON has no line breaks of its own: one line is the whole event.
    if (encoding === ENCODING.sse) return (this.#event ??= Buffer.from(`data: ${this.text}\n\n`));
    return (this.#json ??= textPacket(this.text));
  }
}

/** Several frames of one conversation as bytes to be written at once. */
export function joinFrames(frames: readonly Frame[], encoding: Encoding): Buffer {
  if (frames.length === 1) return frames[0]!.bytes(encoding);
  if (encoding === ENCODING.jsonBatch) return textPacket(`[${frames.map((frame) => frame.text).join(',')}]`);
  return Buffer.concat(frames.map((frame) => frame.bytes(encoding)));
}

/** The first `count` frames of a page as bytes to be written at once. */
export function packPage({ bytes, ends }: ReplayPage, count: number, encoding: Encoding): Buffer {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, ends[count - 1]!);
  if (encoding === ENCODING.jsonBatch && count > 1) return arrayPacket(text);
  const frames = Array.from({ length: count }, (_, i) => text.subarray(i === 0 ? 0 : ends[i - 1]! + 1, ends[i]));
  if (encoding === ENCODING.sse) return Buffer.concat(frames.flatMap((frame) => [EVENT_START, frame, EVENT_END]));
  if (encoding === ENCODING.msgpack)
    return Buffer.concat(frames.map((frame) => packet(msgpackCodec.encode(JSON.parse(frame.toString())), OPCODE_BINARY)));
  return textPackets(frames);
}

const EVENT_START = Buffer.from('data: ');
const EVENT_END = Buffer.from('\n\n');

function arrayPacket(items: Buffer): Buffer {
  const length = items.length + 2;
  const buffer = Buffer.allocUnsafe(headerBytes(length) + length);
  const start = writeHeader(buffer, OPCODE_TEXT, length);
  buffer[start] = 0x5b;
  items.copy(buffer, start + 1);
  buffer[buffer.length - 1] = 0x5d;
  return buffer;
}

function textPackets(payloads: readonly Buffer[]): Buffer {
  const buffer = Buffer.allocUnsafe(payloads.reduce((sum, { length }) => sum + headerBytes(length) + length, 0));
  let at = 0;
  for (const payload of payloads) {
    at += writeHeader(buffer, OPCODE_TEXT, payload.length, at);
    at += payload.copy(buffer, at);
  }
  return buffer;
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

/** Bytes of the header that was written. */
function writeHeader(buffer: Buffer, opcode: number, length: number, at = 0): number {
  buffer[at] = opcode;
  if (length < 126) {
    buffer[at + 1] = length;
    return 2;
  }
  if (length < 65_536) {
    buffer[at + 1] = 126;
    buffer.writeUInt16BE(length, at + 2);
    return 4;
  }
  buffer[at + 1] = 127;
  buffer.writeUInt32BE(Math.floor(length / 2 ** 32), at + 2);
  buffer.writeUInt32BE(length >>> 0, at + 6);
  return 10;
}

/** A WebSocket pong, with the payload of the ping that it answers. */
export function pong(payload: Uint8Array): Buffer {
  return packet(payload, OPCODE_PONG);
}

/** A WebSocket ping without payload. */
export const PING = Buffer.from([0x89, 0]);
