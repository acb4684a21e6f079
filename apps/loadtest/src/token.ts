import { createHmac } from 'node:crypto';

const HEADER = encode({ alg: 'HS256', typ: 'JWT' });
/** Longer than any run. */
const LIFE_SEC = 12 * 3_600;

/** Access tokens as the app's backend makes them; synchronous, for tens of thousands of users. */
export function signToken(secret: string, user: string, role: 'user' | 'admin' = 'user'): string {
  const now = Math.floor(Date.now() / 1_000);
  const unsigned = `${HEADER}.${encode({ sub: user, role, iat: now - 1, exp: now + LIFE_SEC })}`;
  return `${unsigned}.${createHmac('sha256', secret).update(unsigned).digest('base64url')}`;
}

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}
