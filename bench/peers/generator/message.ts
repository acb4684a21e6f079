/** Every message says the same, in two scripts, and ends with its number: about 130 bytes of text. */
const TEXT = 'Good morning! 早上好，今天的会议改到下午三点，请大家准时参加。See you at three in room 5, the new one.';
export const DIGITS = 9;
const BLANK = '0'.repeat(DIGITS);

export interface MessageText {
  readonly cid: string;
  /** For servers that know messages by an id of the client's. */
  readonly mid: string;
  readonly body: { readonly text: string };
}

/** The message with number 0; see `numbered`. */
export const blankMessage = (cid: string): MessageText => ({ cid, mid: `m${BLANK}`, body: { text: `${TEXT} #${BLANK}` } });

/** The text of message `k`, as a receiver has to find it. */
export const textOf = (k: number): string => `${TEXT} #${String(k).padStart(DIGITS, '0')}`;

/** Writes frames that differ in their number only. */
export class Template {
  readonly #frame: Buffer;
  readonly #places: number[] = [];

  /** `payload` has the number, blank, in one or more places. */
  constructor(payload: string) {
    this.#frame = masked(OPCODE_TEXT, Buffer.from(payload));
    for (let at = this.#frame.indexOf(BLANK); at !== -1; at = this.#frame.indexOf(BLANK, at + DIGITS)) this.#places.push(at);
  }

  frame(k: number): Buffer {
    const frame = Buffer.from(this.#frame);
    const digits = String(k).padStart(DIGITS, '0');
    for (const at of this.#places) frame.write(digits, at, 'latin1');
    return frame;
  }
}

export function readNumber(data: Uint8Array, at: number): number {
  let number = 0;
  for (let i = at; i < at + DIGITS; i++) number = number * 10 + data[i]! - 0x30;
  return number;
}

export const OPCODE_TEXT = 1;
export const OPCODE_CLOSE = 8;
export const OPCODE_PING = 9;
export const OPCODE_PONG = 10;

/** A client's frame. The mask is zero: legal, and it spares the generator the work. */
export function masked(opcode: number, payload: Uint8Array): Buffer {
  const { length } = payload;
  const header = length < 126 ? 2 : 4;
  const frame = Buffer.alloc(header + 4 + length);
  frame[0] = 0x80 | opcode;
  frame[1] = 0x80 | (header === 2 ? length : 126);
  if (header === 4) frame.writeUInt16BE(length, 2);
  frame.set(payload, header + 4);
  return frame;
}
