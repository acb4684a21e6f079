import { hash } from 'node:crypto';
import { canonicalJson } from '@gapless/protocol';

/** Half of a SHA-256 over the body in canonical form: the `h` of histories. */
export function bodyDigest(body: unknown): string {
  return hash('sha256', canonicalJson(body), 'hex').slice(0, 32);
}
