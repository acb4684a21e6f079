const PREFIX = '#/c/';

/** The cid in a location hash. */
export function parseRoute(hash: string): string | undefined {
  if (!hash.startsWith(PREFIX)) return undefined;
  try {
    return decodeURIComponent(hash.slice(PREFIX.length)) || undefined;
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
