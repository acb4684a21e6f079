import { setTimeout as sleep } from 'node:timers/promises';
import { Writer } from '@gapless/core';
import { systemClock } from '@gapless/kit';
import { type RunningPostgres, startPostgres } from '@gapless/testkit';
import { openPostgresStore } from '../../packages/adapters/src/store/postgres/index.ts';
import type { Figure } from '../lib/report.ts';
import { BODY } from '../road/world.ts';

/** Sends waiting for their ack at any time: as many clients, each with one under way, keep a batch of 1,000 in the making. */
const IN_FLIGHT = 4_000;
/** The naive way: this many connections, each committing one message at a time. */
const SINGLE_CONNECTIONS = 16;
const MEMBERS = 10;
const WARM_UP_MS = 3_000;
const MEASURE_MS = 8_000;

interface Load {
  readonly conversations: number;
  readonly lanes: number;
  readonly batchMax: number;
  readonly inFlight: number;
}

type Rate = Omit<Figure, 'name'>;

/** Saved messages per second, server, store and load together on this machine. fsync and synchronous_commit are on. */
export async function sends(which: 'npm' | 'debian'): Promise<Figure[]> {
  const server = await startPostgres({ which });
  if ('reason' in server) {
    console.log(`  left out: ${server.reason}`);
    return [];
  }
  const name = `PostgreSQL ${server.version}`;
  const many = { conversations: 1_000, batchMax: 1_000, inFlight: IN_FLIGHT };
  const figures: Figure[] = [];
  try {
    const single = await saved(server, { conversations: 1_000, lanes: SINGLE_CONNECTIONS, batchMax: 1, inFlight: 256 });
    figures.push({ name: `${name}: one transaction per message, ${SINGLE_CONNECTIONS} connections`, ...single });
    for (const lanes of [1, 2, 4]) {
      const rate = await saved(server, { ...many, lanes });
      const budget = lanes === 2 ? { budget: { atLeast: 15_000 } } : {};
      figures.push({ name: `${name}: 1,000 conversations, ${lanes} lanes`, ...rate, ...budget });
      if (lanes === 2)
        figures.push({
          name: `${name}: the same to one transaction per message`,
          value: rate.value / single.value,
          unit: 'times',
          budget: { atLeast: 10 },
        });
    }
    const hot = await saved(server, { ...many, conversations: 1, lanes: 2 });
    figures.push({ name: `${name}: one conversation`, ...hot, budget: { atLeast: 8_000 } });
  } finally {
    await server.remove();
  }
  return figures;
}

async function saved(server: RunningPostgres, { conversations, lanes, batchMax, inFlight }: Load): Promise<Rate> {
  const store = await openPostgresStore({ url: await server.createDatabase(), lanes });
  const batches = { count: 0, size: 0 };
  const writer = new Writer({
    store,
    clock: systemClock,
    onCommitted() {},
    onBatch({ size }) {
      batches.count++;
      batches.size += size;
    },
    limits: { lanes, batchMax, queueMax: inFlight },
  });
  const cids = Array.from({ length: conversations }, (_, i) => `01HZZZZZZZZZZZZZZZZZ${String(i).padStart(6, '0')}`);
  await store.commit(cids.map(create));
  let acked = 0;
  let sent = 0;
  let over = false;
  const client = async () => {
    while (!over) {
      const outcome = await writer.append(send(cids[sent % conversations]!, sent++));
      if (!outcome.ok) throw new Error(outcome.code);
      acked++;
    }
  };
  const clients = Array.from({ length: inFlight }, client);
  await sleep(WARM_UP_MS);
  const before = { acked, server: server.cpuSec(), own: process.cpuUsage(), at: performance.now(), ...batches };
  await sleep(MEASURE_MS);
  const count = acked - before.acked;
  const own = process.cpuUsage(before.own);
  const rate = count / ((performance.now() - before.at) / 1_000);
  const cpu = { server: ((server.cpuSec() - before.server) * 1e6) / count, own: (own.user + own.system) / count };
  const batch = (batches.size - before.size) / (batches.count - before.count);
  const note =
    `batches of ${Math.round(batch)}; CPU per message: server ${cpu.server.toFixed(1)} µs, ` + `store and load ${cpu.own.toFixed(1)} µs`;
  console.log(`  ${server.version}, ${conversations} conversations, ${lanes} lanes: ${Math.round(rate)} msg/s, ${note}`);
  over = true;
  await Promise.all(clients);
  const heads = await Promise.all(cids.map(async (cid) => (await store.conversation(cid))!.head));
  if (heads.reduce((sum, head) => sum + head, 0) !== sent) throw new Error(`${sent} sent and acked, but the heads say otherwise`);
  await writer.close();
  await store.close();
  return { value: rate, unit: 'msg/s', note };
}

const users = Array.from({ length: MEMBERS }, (_, i) => `u${i}`);

function create(cid: string) {
  const participants = users.map((uid) => ({ uid, role: 'member' as const }));
  return { op: 'create' as const, cid, kind: 'group' as const, by: 'u0', at: 1, participants, createUsers: true };
}

const body = JSON.stringify(BODY);

function send(cid: string, i: number) {
  const mid = `01J${String(i).padStart(23, '0')}`;
  const at = 1_700_000_000_000 + i;
  return { op: 'send' as const, cid, mid, from: users[i % MEMBERS]!, at, kind: 'text', body, digest: `${mid} of twenty-two` };
}
