import type { Session } from '../session.ts';
import type { Subscription } from '../subscription.ts';

// Where a connection is in each conversation that it joined, as the `id:` of its events: what a browser sends back as `Last-Event-ID`. It
// holds all there is to know, so that any node can go on from it.

/** One conversation of a cursor, as `sync` takes it. */
export type Place =
  | { readonly cid: string; readonly rev: number }
  /** In a replay by `since`: up to which seq it goes, and the rev after which changes follow. */
  | { readonly cid: string; readonly since: number; readonly begun: { readonly until: number; readonly thenRev: number } };

/** A connection of more conversations has no cursor: it would be longer than the headers that proxies let through. */
export const CURSOR_MAX = 200;

const PLACE = /^([A-Za-z0-9_-]{1,64})\.([0-9a-z]{1,11})(?:-([0-9a-z]{1,11})-([0-9a-z]{1,11}))?$/;

export function formatCursor(places: Iterable<Place>): string {
  return Array.from(places, (place) => {
    const numbers = 'rev' in place ? [place.rev] : [place.since, place.begun.until, place.begun.thenRev];
    return `${place.cid}.${numbers.map(base36).join('-')}`;
  }).join('~');
}

/** Undefined for anything that `formatCursor` does not make. */
export function parseCursor(text: string): Place[] | undefined {
  const places = new Map<string, Place>();
  const parts = text.split('~', CURSOR_MAX + 1);
  if (parts.length > CURSOR_MAX) return undefined;
  for (const part of parts) {
    const [, cid, ...digits] = PLACE.exec(part) ?? [];
    const [first, until, thenRev] = digits.map(numberOf);
    if (cid === undefined || first === undefined || Number.isNaN(first + (until ?? 0) + (thenRev ?? 0)) || places.has(cid))
      return undefined;
    places.set(cid, until === undefined || thenRev === undefined ? { cid, rev: first } : { cid, since: first, begun: { until, thenRev } });
  }
  return [...places.values()];
}

/** What was written to the session so far; empty when it has joined nothing, or more than a cursor holds. */
export function cursorOf({ subscriptions }: Session): string {
  if (subscriptions.size > CURSOR_MAX) return '';
  const places: Place[] = [];
  for (const [cid, subscription] of subscriptions) {
    const told = toldOf(subscription);
    if (told === undefined) continue;
    places.push(told.since === undefined ? { cid, rev: told.position } : { cid, since: told.since.seq, begun: told.since });
  }
  return formatCursor(places);
}

/** A join that is not answered yet has told nothing; one that is joined anew stands where it stood. */
function toldOf(subscription: Subscription): Subscription | undefined {
  return subscription.joined ? subscription : subscription.former;
}

/** NaN unless it is the one way to write a number that is exact. */
function numberOf(digits: string | undefined): number | undefined {
  if (digits === undefined) return undefined;
  const number = Number.parseInt(digits, 36);
  return Number.isSafeInteger(number) && base36(number) === digits ? number : Number.NaN;
}

function base36(number: number): string {
  return number.toString(36);
}
