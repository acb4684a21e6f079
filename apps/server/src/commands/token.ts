import { SignJWT } from 'jose';
import { openSecret } from '../secret.ts';
import type { Config } from '../settings.ts';

export interface TokenOptions {
  user: string;
  role: 'user' | 'admin';
  name?: string;
  minutes: number;
}

/** An access token as your backend would make it, signed with the server's secret. */
export function createToken(config: Config, { user, role, name, minutes }: TokenOptions): Promise<string> {
  const { secret } = openSecret(config.jwtSecret, config.dataDir);
  return new SignJWT({ role, ...(name === undefined ? {} : { name }) })
    .setProtectedHeader({ alg: 'HS256' })
    .setSubject(user)
    .setIssuedAt()
    .setExpirationTime(`${minutes}m`)
    .sign(new TextEncoder().encode(secret));
}
