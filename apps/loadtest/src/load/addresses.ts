import { isIPv4 } from 'node:net';
import type { LoadOptions } from './options.ts';

/** Connections from one source address to one port; a few less than there are ports to come from (28,232 on Linux). */
export const SOCKETS_PER_ADDRESS = 25_000;
/** A range that is longer is a slip of the pen. */
const ADDRESSES_MAX = 256;

/** `127.0.0.1-127.0.0.4`, `10.0.0.5,10.0.0.7`, or both; undefined when it is neither. */
export function parseAddresses(text: string): string[] | undefined {
  const addresses: string[] = [];
  for (const part of text.split(',')) {
    const [first = '', last = first, ...rest] = part.split('-').map((address) => address.trim());
    if (!isIPv4(first) || !isIPv4(last) || rest.length > 0) return undefined;
    const [from, to] = [numberOf(first), numberOf(last)];
    if (to < from || addresses.length + to - from >= ADDRESSES_MAX) return undefined;
    for (let at = from; at <= to; at++) addresses.push(textOf(at));
  }
  return addresses;
}

/**
 * From where a client connects. Each of the addresses given has clients of every node. Without any the system chooses, as long as a port
 * of 127.0.0.1 can be had; later ones take the next address of loopback.
 */
export function sourceOf(index: number, { urls, localAddresses }: Pick<LoadOptions, 'urls' | 'localAddresses'>): { localAddress?: string } {
  if (localAddresses !== undefined) return { localAddress: localAddresses[Math.floor(index / urls.length) % localAddresses.length]! };
  // A port that the system chooses is taken for one target only, one of an address that is asked for is taken for all.
  const beyond = index - SOCKETS_PER_ADDRESS * urls.length;
  const loopback = urls.every((url) => /^http:\/\/(127\.0\.0\.1|localhost)\b/.test(url));
  if (beyond < 0 || !loopback) return {};
  return { localAddress: `127.0.0.${2 + Math.floor(beyond / SOCKETS_PER_ADDRESS)}` };
}

function numberOf(address: string): number {
  return address.split('.').reduce((number, part) => number * 256 + Number(part), 0);
}

function textOf(number: number): string {
  return [24, 16, 8, 0].map((bits) => (number >>> bits) & 255).join('.');
}
