import { ulidBound } from '@gapless/kit';

/**
 * A ULID, as the server likes them: after its ten characters of time stands what receivers need of a message, in 80 bits.
 *
 * - 2 characters: the run, a digest of its name.
 * - 4: the client.
 * - 1: the node where its sender was connected then, from 0 to 15 and round again; and, in the lowest bit, 0 for a message whose latency
 *   says nothing about the server: its sender dawdles, or was away of its own accord.
 * - 9: when it was to be sent, in microseconds of the monotonic clock; enough for a year of uptime.
 */
const DIGITS = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';

export const MID = { length: 26, tagAt: 10, clientAt: 12, nodeAt: 16, intendedAt: 17 } as const;
const NODES_MAX = 16;

/** By the code of a character; -1 where it is none of a ULID. */
const VALUES = Int8Array.from({ length: 128 }, (_, code) => DIGITS.indexOf(String.fromCharCode(code)));

/** Of every mid of the run. */
export function tagOf(run: string): string {
  let hash = 0;
  for (let at = 0; at < run.length; at++) hash = (hash * 31 + run.charCodeAt(at)) % 1_024;
  return digits(hash, 2);
}

export interface MidFields {
  readonly tag: string;
  readonly client: number;
  readonly intendedUs: number;
  readonly node?: number;
  readonly measured?: boolean;
}

export function makeMid({ tag, client, intendedUs, node = 0, measured = true }: MidFields): string {
  const place = 2 * (node % NODES_MAX) + (measured ? 1 : 0);
  return `${ulidBound(Date.now())}${tag}${digits(client, 4)}${DIGITS[place]}${digits(intendedUs, 9)}`;
}

export function intendedOf(mid: string): number {
  let value = 0;
  for (let at = MID.intendedAt; at < MID.length; at++) value = value * 32 + digitOf(mid.charCodeAt(at));
  return value;
}

export function isMeasured(mid: string): boolean {
  return (digitOf(mid.charCodeAt(MID.nodeAt)) & 1) === 1;
}

/** The value of a character, NaN where it is none of a ULID: what is made of it is then seen not to fit. */
export function digitOf(code: number): number {
  const value = VALUES[code] ?? -1;
  return value < 0 ? Number.NaN : value;
}

function digits(value: number, count: number): string {
  let text = '';
  for (let rest = value; text.length < count; rest = Math.floor(rest / 32)) text = DIGITS[rest % 32] + text;
  return text;
}
