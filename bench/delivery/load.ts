import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TEST_SECRET } from '@gapless/testkit';
import type { BenchServer } from '../lib/server.ts';

const MAIN = join(import.meta.dirname, '../../apps/server/src/main.ts');

/** What is read of the tool's result; see `gapless load --json`. */
export interface LoadOutcome {
  readonly counts: {
    readonly sent: number;
    readonly accepted: number;
    readonly saved: number;
    readonly gaps: number;
    readonly duplicates: number;
    readonly reorders: number;
  };
  readonly deliveredPct: number;
  readonly errors: Readonly<Record<string, number>>;
  readonly latency: Readonly<Record<string, { readonly p50: number; readonly p95: number; readonly p99: number; readonly max: number }>>;
  readonly seconds: readonly { readonly rssMiB?: number }[];
  readonly storm?: { readonly loopP99Ms?: number; readonly loopMaxMs?: number };
  readonly failures: readonly string[];
}

/** Runs `gapless load` against the server and shows what it prints; gives what it kept. */
export async function runLoad<T = LoadOutcome>(server: BenchServer, flags: readonly string[]): Promise<T> {
  const json = join(mkdtempSync(join(tmpdir(), 'gapless-bench-')), 'result.json');
  console.log(`  gapless load ${flags.join(' ')}`);
  const args = [MAIN, 'load', '--url', server.url, '--pid', String(server.pid), '--workers', '2', '--json', json, ...flags];
  const child = spawn(process.execPath, args, {
    env: { ...process.env, GAPLESS_JWT_SECRET: TEST_SECRET },
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  await new Promise((resolve) => child.once('exit', resolve));
  return JSON.parse(readFileSync(json, 'utf8'));
}

/** All delivered, once, in order, without an error. */
export function faultsOf({ deliveredPct, counts, errors }: LoadOutcome): number {
  const { gaps, duplicates, reorders } = counts;
  const refused = Object.values(errors).reduce((sum, count) => sum + count, 0);
  return gaps + duplicates + reorders + refused + (deliveredPct === 100 ? 0 : 1);
}
