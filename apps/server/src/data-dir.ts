import { mkdirSync } from 'node:fs';
import { ConfigError } from './config.ts';

/** Makes the data folder, for its owner only, unless it is there. @throws ConfigError when it cannot be */
export function ensureDataDir(dataDir: string): void {
  try {
    mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw new ConfigError(`${dataDir}: cannot be the data folder: ${(error as NodeJS.ErrnoException).code}`, { cause: error });
  }
}
