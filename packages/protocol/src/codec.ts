import { Decoder, Encoder } from '@msgpack/msgpack';
import { FRAME_MAX_BYTES } from './limits.ts';

/** Bytes on the wire to values and back. `decode` throws on anything that is not one well-formed value. */
export interface Codec {
  readonly name: 'json' | 'msgpack';
  /** WebSocket subprotocol. */
  readonly subprotocol: string;
  /** Whether frames travel as binary WebSocket messages. */
  readonly binary: boolean;
  decode(data: Uint8Array): unknown;
  encode(value: unknown): Uint8Array;
}

const text = new TextDecoder('utf-8', { fatal: true });
const bytes = new TextEncoder();

export const jsonCodec: Codec = {
  name: 'json',
  subprotocol: 'gapless.v1.json',
  binary: false,
  decode: (data) => JSON.parse(text.decode(data)),
  encode: (value) => bytes.encode(JSON.stringify(value)),
};

const decoder = new Decoder({
  maxStrLength: FRAME_MAX_BYTES,
  maxBinLength: 0,
  maxExtLength: 0,
  maxArrayLength: FRAME_MAX_BYTES,
  maxMapLength: FRAME_MAX_BYTES,
});
const encoder = new Encoder({ ignoreUndefined: true });

/** Only what JSON can say: binary and extension types are refused. */
export const msgpackCodec: Codec = {
  name: 'msgpack',
  subprotocol: 'gapless.v1.msgpack',
  binary: true,
  decode: (data) => decoder.decode(data),
  encode: (value) => encoder.encode(value),
};

export const CODECS = [jsonCodec, msgpackCodec] as const;
