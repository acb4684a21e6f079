import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TEST_SECRET } from '@gapless/testkit';
import type { LoadOutcome } from '../delivery/load.ts';
import type { Figure } from '../lib/report.ts';
import type { Ends } from './ends.ts';

const MAIN = join(import.meta.dirname, '../../apps/server/src/main.ts');

/** What is read of the tool's result beside; see `gapless load --json`. */
export interface ClusterOutcome extends LoadOutcome {
  readonly hop?: { readonly p50: number; readonly p95: number; readonly p99: number };
  readonly options: { readonly durationMs: number };
  /** Numbers that the server took back. */
  readonly lost: number;
  readonly expected: number;
  readonly delivered: number;
  readonly rates: { readonly saved: number; readonly received: number };
  readonly drain: { readonly ms: number; readonly behind: number };
  readonly kicks: Readonly<Record<string, number>>;
  readonly server?: { readonly cpuPct: number; readonly rssMaxMiB: number; readonly nodes?: readonly object[] };
  readonly check?: { readonly ok: boolean; readonly events: number; readonly anomalies: readonly { readonly count: number }[] };
  readonly generatorOk: boolean;
}

export interface RunningLoad {
  /** Everyone is connected, and the first second of sending is over. */
  readonly underWay: Promise<void>;
  readonly outcome: Promise<ClusterOutcome>;
}

/** Runs `gapless load` against the nodes, shows what it prints, and gives what it kept. `check`: with the checker. */
export function startLoad(urls: readonly string[], flags: string, { check, ends }: { check: boolean; ends: Ends }): RunningLoad {
  const folder = ends.add(mkdtempSync(join(tmpdir(), 'gapless-bench-')), (path) => rmSync(path, { recursive: true, force: true }));
  const json = join(folder, 'result.json');
  const history = check ? ['--history', join(folder, 'histories')] : [];
  console.log(`  gapless load ${flags}${check ? ' --history …' : ''}`);
  const args = [MAIN, 'load', '--url', urls.join(','), '--workers', '2', '--json', json, ...history, ...flags.split(' ')];
  const child = spawn(process.execPath, args, {
    env: { ...process.env, GAPLESS_JWT_SECRET: TEST_SECRET },
    stdio: ['ignore', 'inherit', 'pipe'],
  });
  ends.add(child, () => child.kill('SIGKILL'));
  const underWay = Promise.withResolvers<void>();
  underWay.promise.catch(() => {});
  child.stderr.on('data', (chunk: Buffer) => {
    process.stderr.write(chunk);
    if (/^connected \d+ of \d+ in/m.test(chunk.toString())) underWay.resolve();
  });
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve));
  const outcome = exited.then((status): ClusterOutcome => {
    underWay.reject(new Error('the load ended before it was under way'));
    try {
      return JSON.parse(readFileSync(json, 'utf8'));
    } catch {
      throw new Error(`gapless load ended with ${status} and kept no result`);
    }
  });
  outcome.catch(() => {});
  return { underWay: underWay.promise, outcome };
}

/** All delivered, once, in order: what holds whatever happens to nodes and brokers. */
export function promises(name: string, { deliveredPct, counts, drain, check }: ClusterOutcome): Figure[] {
  const none = { unit: '', budget: { atMost: 0 } };
  return [
    {
      name: `${name}: delivered`,
      value: deliveredPct,
      unit: '%',
      budget: { atLeast: 100 },
      note: `${counts.saved} of ${counts.sent} saved`,
    },
    { name: `${name}: missing`, value: counts.gaps + drain.behind, ...none },
    { name: `${name}: duplicates`, value: counts.duplicates, ...none },
    { name: `${name}: reorders`, value: counts.reorders, ...none },
    ...(check === undefined
      ? []
      : [
          {
            name: `${name}: anomalies found by the checker`,
            value: check.anomalies.reduce((sum, { count }) => sum + count, 0),
            note: `${check.events} events`,
            ...none,
          },
        ]),
  ];
}

/** Sends and connections that failed or had to be tried again. */
export function errorsOf({ errors }: ClusterOutcome): number {
  return Object.values(errors).reduce((sum, count) => sum + count, 0);
}

/** What of an outcome is kept beside the figures. */
export function detailsOf({ counts, rates, latency, hop, errors, kicks, drain, server, generatorOk }: ClusterOutcome): object {
  return { counts, rates, latency, hop, errors, kicks, drain, server, generatorOk };
}
