const DIGITS = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';

let lastAt = 0;
let lastRandom: number[] = [];

/** A ULID: 48 bits of time, 80 of chance, 26 characters. Grows within one process, also inside one millisecond. */
export function ulid(now = Date.now()): string {
  if (now > lastAt) {
    lastAt = now;
    // 32 divides 256: every digit is equally likely.
    lastRandom = Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte % 32);
  } else {
    increment(lastRandom);
  }
  let time = '';
  for (let rest = lastAt, digits = 10; digits > 0; digits--) {
    time = DIGITS[rest % 32] + time;
    rest = Math.floor(rest / 32);
  }
  return time + lastRandom.map((digit) => DIGITS[digit]).join('');
}

/** Forgets what was given so far: for a simulation, in which one process plays many, one after the other. */
export function restartUlids(): void {
  lastAt = 0;
}

function increment(digits: number[]): void {
  for (let at = digits.length - 1; at >= 0; at--) {
    if (digits[at]! < 31) {
      digits[at]!++;
      return;
    }
    digits[at] = 0;
  }
}
