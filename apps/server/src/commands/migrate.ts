import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { wrong } from '../adapters.ts';
import type { Config } from '../settings.ts';

interface MigrationStatus {
  readonly version: number;
  readonly name: string;
  readonly state: 'applied' | 'pending';
  readonly appliedAt?: number;
}

/** One line a migration; changes nothing. `serve` applies what is pending. */
export async function migrateStatus(config: Config): Promise<string> {
  if (config.store === 'memory') return 'A store in memory has no migrations.';
  if (config.store !== 'sqlite') {
    const { postgresMigrationStatus } = await import('@gapless/adapters/store/postgres');
    return linesOf(await postgresMigrationStatus(config.store).catch(wrong('store'))).join('\n');
  }
  const path = join(config.dataDir, 'gapless.db');
  if (!existsSync(path)) return `No database at ${path} yet; the first start makes it.`;
  const { sqliteMigrationStatus } = await import('@gapless/adapters/store/sqlite');
  return [path, ...linesOf(sqliteMigrationStatus(path))].join('\n');
}

function linesOf(rows: readonly MigrationStatus[]): string[] {
  return rows.map(({ version, name, state, appliedAt }) => {
    const when = appliedAt === undefined ? '' : `  ${new Date(appliedAt).toISOString()}`;
    return `${String(version).padStart(4, '0')}  ${state.padEnd(8)}${when}  ${name}`;
  });
}
