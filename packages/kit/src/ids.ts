const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const TIME_CHARS = 10;
const RANDOM_CHARS = 16;

let lastMs = -1;
const lastRandom = new Uint8Array(RANDOM_CHARS);

/**
 * A ULID: 26 characters, sorted by time of making, 80 random bits.
 * Within one millisecond of one process each is larger than the one before.
 */
export function ulid(nowMs: number): string {
  if (nowMs > lastMs) {
    lastMs = nowMs;
    crypto.getRandomValues(lastRandom);
    for (let i = 0; i < RANDOM_CHARS; i++) lastRandom[i] = lastRandom[i]! & 31;
  } else {
    increment(lastRandom);
  }
  let text = timeChars(lastMs);
  for (const digit of lastRandom) text += ALPHABET[digit];
  return text;
}

/** Forgets what was given so far: for a simulation, in which one process plays many, one after the other. */
export function restartUlids(): void {
  lastMs = -1;
}

/** Sorts before every ULID of that time and later, byte by byte. */
export function ulidBound(ms: number): string {
  return timeChars(ms);
}

/** Upper case only, as they are made: so that they sort by time. */
export function isUlid(text: string): boolean {
  return /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/.test(text);
}

function timeChars(ms: number): string {
  let text = '';
  for (let i = 0, rest = ms; i < TIME_CHARS; i++, rest = Math.floor(rest / 32)) text = ALPHABET[rest % 32] + text;
  return text;
}

function increment(digits: Uint8Array): void {
  for (let i = digits.length - 1; i >= 0; i--) {
    if (digits[i]! < 31) {
      digits[i]!++;
      return;
    }
    digits[i] = 0;
  }
}
