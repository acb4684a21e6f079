import type { MessageText } from './message.ts';

/** How the clients of one kind of server speak: text frames over a WebSocket, whose payload is told apart by single bytes. */
export interface Dialect {
  /** Of the upgrade request. */
  readonly path: string;
  /** Sent right after the upgrade. */
  readonly opening: (cid: string) => string | undefined;
  /** What to make of a frame that is neither a delivery nor an ack. */
  readonly control: (text: string, cid: string) => { readonly say?: string; readonly joined?: true };
  /** The message as the client sends it. */
  readonly send: (message: MessageText) => string;
  readonly isDelivery: (data: Uint8Array, at: number) => boolean;
  /** Bytes of a delivery after the message's number, which ends its text. */
  readonly afterNumber: number;
  /** The text of a delivery, parsed in full. */
  readonly textOf: (payload: string) => string;
  /** Absent: the server does not answer its senders. */
  readonly isAck?: (data: Uint8Array, at: number) => boolean;
}

export type DialectName = 'gapless' | 'socketIo' | 'plain';

const code = (char: string) => char.charCodeAt(0);
const [M, S, A, TWO, FOUR, QUOTE] = [code('m'), code('s'), code('a'), code('2'), code('4'), code('"')];
/** Of `{"t":"…`: where the type begins. */
const TYPE_AT = 6;

const join = (cid: string) => JSON.stringify({ t: 'join', cid });
const joined = (text: string) => (text.startsWith('{"t":"joined"') ? { joined: true as const } : {});
const bodyText = (payload: string) => JSON.parse(payload).body.text;

/** Its frames: docs/protocol. */
const gapless: Dialect = {
  path: '/ws',
  opening: join,
  control: joined,
  send: (message) => JSON.stringify({ t: 'send', cid: message.cid, mid: message.mid, kind: 'text', body: message.body }),
  isDelivery: (data, at) => data[at + TYPE_AT] === M,
  afterNumber: '"}}'.length,
  textOf: bodyText,
  isAck: (data, at) => data[at + TYPE_AT] === A && data[at + TYPE_AT + 3] === QUOTE,
};

/** What the ws servers here speak; a relay sends on what it got, type `send` included. */
const plain: Dialect = {
  path: '/',
  opening: join,
  control: joined,
  send: (message) => JSON.stringify({ t: 'send', ...message }),
  isDelivery: (data, at) => data[at + TYPE_AT] === M || data[at + TYPE_AT] === S,
  afterNumber: '"}}'.length,
  textOf: bodyText,
  isAck: (data, at) => data[at + TYPE_AT] === A,
};

/** Socket.IO 5 over Engine.IO 4: `0` open, `2` ping, `3` pong, `40` connect, `42[…]` event. */
const socketIo: Dialect = {
  path: '/socket.io/?EIO=4&transport=websocket',
  opening: () => undefined,
  control(text, cid) {
    if (text.startsWith('0{')) return { say: '40' };
    if (text.startsWith('40')) return { say: `42${JSON.stringify(['join', cid])}` };
    if (text === '2') return { say: '3' };
    return text.startsWith('42["joined"') ? { joined: true } : {};
  },
  send: (message) => `42${JSON.stringify(['msg', message])}`,
  isDelivery: (data, at) => data[at] === FOUR && data[at + 1] === TWO && data[at + 4] === M,
  afterNumber: '"}}]'.length,
  textOf: (payload) => JSON.parse(payload.slice(2))[1].body.text,
};

export const dialects: Readonly<Record<DialectName, Dialect>> = { gapless, socketIo, plain };

/** Where in an ack its message's number stands: after `"mid":"m`. */
export function ackNumberAt(data: Buffer, at: number): number {
  return data.indexOf(MID, at) + MID.length;
}

const MID = Buffer.from('"mid":"m');
