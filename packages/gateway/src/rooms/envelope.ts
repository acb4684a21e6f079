import { canonicalJson, ROOM_NAME_MAX_CHARS } from '@gapless/protocol';

export type DownType = 'welcome' | 'message' | 'direct' | 'pong' | 'system' | 'user_joined' | 'user_left' | 'error';

/** What `error` says in `data.message`: these four, word for word. */
export type RoomError = 'room required' | 'forbidden' | 'unknown type' | 'bad json';

export type Data = Readonly<Record<string, unknown>>;

/** An envelope as JSON: always all five keys, `ts` in UTC. */
export function envelope(
  type: DownType,
  at: number,
  { room = null, data = {}, from = null }: { room?: string | null; data?: Data; from?: string | null } = {},
): string {
  return JSON.stringify({ type, room, data, ts: new Date(at).toISOString(), sender_id: from });
}

/** What a client sent. Keys that are missing or of the wrong kind are left to who needs them. */
export interface UpEnvelope {
  /** In lower case; empty when there is none. */
  readonly type: string;
  /** Trimmed; empty when there is none. */
  readonly room: string;
  readonly value: Data;
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** Undefined for what is no JSON object. */
export function parseEnvelope(bytes: Uint8Array): UpEnvelope | undefined {
  let value: unknown;
  try {
    value = JSON.parse(utf8.decode(bytes));
  } catch {
    return undefined;
  }
  if (!isObject(value)) return undefined;
  const { type, room } = value;
  return {
    type: typeof type === 'string' ? type.trim().toLowerCase() : '',
    room: typeof room === 'string' ? room.trim() : '',
    value,
  };
}

/** `data`, or else `text` as `{text}`, or else nothing. Undefined when it is nested deeper than any client should have to bear. */
export function payloadOf({ value: { data, text } }: UpEnvelope): Data | undefined {
  if (!isObject(data)) return typeof text === 'string' ? { text } : {};
  return isBearable(data) ? data : undefined;
}

/** The token of an `auth` frame, as this dialect or as the main protocol writes it. */
export function authOf({ type, value }: UpEnvelope): string | undefined {
  if (type !== 'auth' && value.t !== 'auth') return undefined;
  const data = isObject(value.data) ? value.data : {};
  const token = value.jwt ?? value.token ?? data.jwt ?? data.token;
  return typeof token === 'string' ? token : '';
}

/** Whether every broker and client can take the name. */
export function isRoomName(room: string): boolean {
  return room !== '' && room.length <= ROOM_NAME_MAX_CHARS && room.isWellFormed();
}

/** The same bounds as for bodies of messages. */
export function isBearable(data: Data): boolean {
  try {
    canonicalJson(data);
    return true;
  } catch {
    return false;
  }
}

function isObject(value: unknown): value is Data {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
