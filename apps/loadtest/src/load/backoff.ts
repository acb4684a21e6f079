const FIRST_MS = 500;
const LAST_MS = 8_000;

/** How long to wait before the try `attempt` (from 0), as the protocol asks of every client: full jitter, doubling. */
export function backoffMs(attempt: number, random: () => number = Math.random): number {
  return random() * Math.min(LAST_MS, FIRST_MS * 2 ** attempt);
}

/** Codes after which a client must not come back by itself. */
const FINAL = new Set([1009, 4400, 4401, 4403]);

export function mayReturn(code: number): boolean {
  return !FINAL.has(code);
}
