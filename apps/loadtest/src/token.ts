import { createHmac } from 'node:crypto';

const HEADER = encode({ alg: 'HS256', typ: 'JWT' });
/** Longer than any run. */
const LIFE_SEC = 12 * 3_600;

/** When a token was made, and until when it is good, in seconds from now. */
export interface TokenTimes {
  readonly fromSec?: number;
  readonly untilSec?: number;
}

/** Access tokens as the app's backend makes them; synchronous, for tens of thousands of users. */
export function signToken(
  secret: string,
  user: string,
  role: 'user' | 'admin' = 'user',
  { fromSec = -1, untilSec = LIFE_SEC }: TokenTimes = {},
): string {
  const now = Math.floor(Date.now() / 1_000);
  const unsigned = `${HEADER}.${encode({ sub: user, role, iat: now + fromSec, exp: now + untilSec })}`;
  return `${unsigned}.${createHmac('sha256', secret).update(unsigned).digest('base64url')}`;
}

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}
