import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ConfigError } from './config.ts';
import { ensureDataDir } from './data-dir.ts';

/** HS256 wants at least as many bits as its hash (RFC 7518, 3.2); below it the start warns. */
export const SECRET_SAFE_CHARS = 32;

/** Below this, guessing takes minutes: refused. */
const SECRET_MIN_CHARS = 8;

/**
 * The secret that signs and checks tokens: the configured one, else the one in the data folder, else a new one there, mode 0600.
 * @throws ConfigError when it is too short to be safe
 */
export function openSecret(configured: string, dataDir: string): { secret: string; file?: string; made: boolean } {
  if (configured !== '') return { secret: checked(configured, 'GAPLESS_JWT_SECRET'), made: false };
  const file = join(dataDir, 'jwt.secret');
  ensureDataDir(dataDir);
  const made = !existsSync(file) && makeSecret(file);
  return { secret: checked(readFileSync(file, 'utf8').trim(), file), file, made };
}

/** False when another process was quicker. */
function makeSecret(file: string): boolean {
  try {
    writeFileSync(file, `${randomBytes(48).toString('base64url')}\n`, { mode: 0o600, flag: 'wx' });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw new ConfigError(`${file}: cannot be written: ${(error as NodeJS.ErrnoException).code}`, { cause: error });
  }
}

function checked(secret: string, source: string): string {
  if (secret.length < SECRET_MIN_CHARS) throw new ConfigError(`${source}: shorter than ${SECRET_MIN_CHARS} characters`);
  return secret;
}
