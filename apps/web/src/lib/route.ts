const PREFIX = '#/c/';

/** Ids are no longer; what is longer names nothing. */
const CID_MAX_CHARS = 64;

/** The cid in a location hash. */
export function parseRoute(hash: string): string | undefined {
  if (!hash.startsWith(PREFIX)) return undefined;
  try {
    const cid = decodeURIComponent(hash.slice(PREFIX.length));
    return cid.length >= 1 && cid.length <= CID_MAX_CHARS ? cid : undefined;
  } catch {
    return undefined;
  }
}

export function routeOf(cid: string | undefined): string {
  return cid === undefined ? '#/' : `${PREFIX}${encodeURIComponent(cid)}`;
}

export function go(cid: string | undefined): void {
  if (location.hash !== routeOf(cid)) location.hash = routeOf(cid);
}
