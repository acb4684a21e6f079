import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { sqliteMigrationStatus } from '@gapless/adapters/store/sqlite';
import type { Config } from '../settings.ts';

/** One line a migration; changes nothing. `serve` applies what is pending. */
export function migrateStatus(config: Config): string {
  const path = join(config.dataDir, 'gapless.db');
  if (!existsSync(path)) return `No database at ${path} yet; the first start makes it.`;
  const rows = sqliteMigrationStatus(path).map(({ version, name, state, appliedAt }) => {
    const when = appliedAt === undefined ? '' : `  ${new Date(appliedAt).toISOString()}`;
    return `${String(version).padStart(4, '0')}  ${state.padEnd(8)}${when}  ${name}`;
  });
  return [path, ...rows].join('\n');
}
