import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import postgres from 'postgres';
import { expect, onTestFinished, type TestContext, test } from 'vitest';
import type { Drill } from './drill.ts';
import { until } from './means/until.ts';
import { type DrillRun, passed, runDrills } from './run.ts';
import { missing, openPostgres } from './services.ts';
import { perform } from './stage.ts';

// Goal: a drill does what it says, also when it is interrupted, and its verdict follows what happened. Method: the real command on real
// servers, small and short; and a drill in which a saved message is deleted from the database.

const MAIN = join(import.meta.dirname, '../../../server/src/main.ts');
const SMALL = ['--duration', '2', '--clients', '6', '--rate', '20'];
const REFUSED = 'ECONNREFUSED';
/** Two drills start eight processes and replace three: no matter on a machine of its own, minutes on a busy one. */
const PATIENCE_MS = 300_000;
const KILLED_MS = 10_000;

test(
  'node-kill and reconnect-storm hold, and leave nothing behind',
  async (context) => {
    await needServers(context);
    const { child, folder, status } = startDrill(['node-kill', 'reconnect-storm', ...SMALL]);
    const ports = portsOf(child);
    expect(await status).toBe(0);
    const { runs } = JSON.parse(readFileSync(join(folder, 'results.json'), 'utf8')) as { runs: DrillRun[] };
    expect(runs.map(({ name }) => name)).toEqual(['node-kill', 'reconnect-storm']);
    for (const { result } of runs) {
      expect(result).toMatchObject({ ok: true, anomalies: [], lost: 0, duplicated: 0, reordered: 0, gaps: 0, accepted: 0 });
      expect(result!.saved).toBeGreaterThan(40);
    }
    await expectNothingLeft(folder, ports);
  },
  PATIENCE_MS,
);

test('Ctrl-C ends what it started', async (context) => {
  await needServers(context);
  const { child, folder, status } = startDrill(['db-outage', ...SMALL]);
  const ports = portsOf(child);
  for await (const line of createInterface({ input: child.stderr! })) if (line.includes('clients in')) break;
  child.kill('SIGINT');
  expect(await status).toBe(130);
  await expectNothingLeft(folder, ports);
});

test('a saved message that is gone afterwards breaks the drill', async (context) => {
  await needServers(context);
  const planted: Drill = {
    name: 'planted',
    what: 'a saved message is deleted from the database',
    missing: () => missing('postgres'),
    async run(drill) {
      const database = await (await openPostgres(drill)).createDatabase();
      return perform(drill, { cluster: { nodes: 1, store: database, broker: 'memory' }, fault: () => deleteOne(database) });
    },
  };
  const options = { durationSec: 2, clients: 3, ratePerSec: 20, seed: 1, twoPhase: 'off', keep: false } as const;
  const runs = await runDrills([planted], options, { program: [process.execPath, MAIN], log() {} });
  expect(runs).toMatchObject([{ result: { ok: false, lost: 1, gaps: 1, duplicated: 0, reordered: 0 } }]);
  expect(runs[0]!.result!.anomalies.join('\n')).toMatch(/^lost-write: .*: 1, as .*: seq 2, /m);
  expect(passed(runs)).toBe(false);
});

test('a node that ended by itself breaks the drill, also when it was started again', async () => {
  const planted: Drill = {
    name: 'planted',
    what: 'a node is killed behind the back of the drill',
    missing: async () => undefined,
    run: (drill) =>
      perform(drill, {
        cluster: { nodes: 1, store: 'sqlite', broker: 'memory' },
        async fault({ cluster: { nodes } }) {
          const node = nodes[0]!;
          process.kill(node.pid(), 'SIGKILL');
          await until(() => node.endedByItself() === 1, KILLED_MS);
          await node.start();
        },
      }),
  };
  const options = { durationSec: 2, clients: 3, ratePerSec: 20, seed: 1, twoPhase: 'off', keep: false } as const;
  const runs = await runDrills([planted], options, { program: [process.execPath, MAIN], log() {} });
  expect(runs).toMatchObject([{ result: { ok: false, anomalies: ['node 0 ended by itself, 1 times'] } }]);
});

test('a name that is no drill is refused', async () => {
  const { status } = startDrill(['db-outrage']);
  expect(await status).toBe(2);
});

async function needServers(context: TestContext): Promise<void> {
  const reason = await missing('postgres', 'redis');
  if (reason !== undefined) context.skip(reason);
}

async function deleteOne(database: string): Promise<void> {
  const sql = postgres(database, { max: 1 });
  expect((await sql`DELETE FROM message WHERE seq = 2`).count).toBe(1);
  await sql.end();
}

/** In a folder of its own for whatever it needs one for. */
function startDrill(args: readonly string[]): { child: ChildProcess; folder: string; status: Promise<number | null> } {
  const folder = mkdtempSync(join(tmpdir(), 'gapless-drill-test-'));
  // PostgreSQL may run as another user.
  chmodSync(folder, 0o755);
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const json = join(folder, 'results.json');
  const child = spawn(process.execPath, [MAIN, 'drill', ...args, '--json', json], {
    env: { ...process.env, TMPDIR: folder },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  child.stderr!.resume();
  return { child, folder, status: once(child, 'exit').then(([code]) => code as number | null) };
}

/** Filled as it tells what it starts. */
function portsOf(child: ChildProcess): number[] {
  const ports: number[] = [];
  child.stderr!.on('data', (text: Buffer) => {
    for (const [, port] of text.toString().matchAll(/on port (\d+)/g)) ports.push(Number(port));
  });
  return ports;
}

async function expectNothingLeft(folder: string, ports: readonly number[]): Promise<void> {
  expect(ports.length).toBeGreaterThan(2);
  for (const port of ports) {
    const [error] = await once(connect(port, '127.0.0.1'), 'error').catch((thrown: NodeJS.ErrnoException) => [thrown]);
    expect(error).toMatchObject({ code: REFUSED });
  }
  expect(readdirSync(folder).filter((name) => name !== 'results.json')).toEqual([]);
}
