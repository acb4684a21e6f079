import { statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { startPostgres } from '@gapless/testkit';
import postgres from 'postgres';
import { openPostgresStore } from '../../packages/adapters/src/store/postgres/index.ts';
import { BY_PARTITION } from '../../packages/adapters/src/store/postgres/reads.ts';
import { type Figure, microseconds, percentiles } from '../lib/report.ts';
import { BIG, bigOnes, fill, READER, smallOnes } from './big-history.ts';
import type { Ends } from './ends.ts';
import type { Part } from './part.ts';

const MESSAGES = { full: 10_000_000, quick: 100_000 };
/** Rows, their indexes, and the write-ahead log meanwhile. */
const DISK_BYTES = { full: 25 * 2 ** 30, quick: 2 ** 30 };
const PAGE = 50;
const WARM_UP = 200;
const CALLS = 2_000;
/** Conversations that one page of a list asks for. */
const HEADS = 50;
const BUDGET_MS = 5;
/** Only so that filling does not wait for checkpoints; nothing that a read feels. */
const SETTINGS = { max_wal_size: '8GB', checkpoint_timeout: '30min' };

type Store = Awaited<ReturnType<typeof openPostgresStore>>;

/** Heads and pages of 50 where 10^7 messages are in one conversation, and 10^7 in 10,000. */
export async function history({ quick, ends }: { quick: boolean; ends: Ends }): Promise<Part> {
  const size = quick ? 'quick' : 'full';
  const messages = MESSAGES[size];
  const free = statfsSync(tmpdir());
  if (free.bavail * free.bsize < DISK_BYTES[size]) throw new Error(`${tmpdir()} has less than ${DISK_BYTES[size] / 2 ** 30} GiB free`);
  const server = await startPostgres({ settings: SETTINGS });
  if ('reason' in server) throw new Error(`PostgreSQL cannot run here: ${server.reason}`);
  ends.add(server, () => server.remove());
  const url = await server.createDatabase();
  const store = ends.add(await openPostgresStore({ url, onError: (error) => console.error(error) }), (opened) => opened.close());
  const sql = ends.add(postgres(url, { max: 1, onnotice() {} }), (client) => client.end());
  const filledInMs = await fill(sql, messages);
  const [one, many] = [bigOnes(messages), smallOnes(messages)];
  const figures: Figure[] = [];
  for (const [name, call] of Object.entries(calls(store, one, many))) figures.push(...(await measure(name, call)));
  return {
    figures,
    details: {
      postgres: server.version,
      messages: 2 * messages,
      filledInMs,
      bytes: await sql`SELECT pg_database_size(current_database())::float8 AS bytes`.then(([row]) => row!.bytes),
      plans: await plans(sql, messages),
    },
  };
}

/** What is timed, by name; places are chosen at random near the depth, so that no page is asked for twice in a row. */
function calls(store: Store, one: ReturnType<typeof bigOnes>, many: ReturnType<typeof smallOnes>): Record<string, () => Promise<unknown>> {
  const before = (part: number) => () => store.messages(BIG, { before: one.seqAt(part), limit: PAGE });
  return {
    'one conversation, newest page': () => store.messages(BIG, { limit: PAGE }),
    'one conversation, page 1 % below its head': before(0.99),
    'one conversation, page in the middle': before(0.5),
    'one conversation, page at its beginning': before(0.001),
    'one conversation, page after a seq in the middle': () => store.messages(BIG, { after: one.seqAt(0.5), limit: PAGE }),
    'one conversation, page anywhere': () => store.messages(BIG, { before: one.seqAnywhere(), limit: PAGE }),
    'one conversation, its head': () => store.heads(READER, [BIG]),
    '10,000 conversations, newest page of any': () => store.messages(many.any(), { limit: PAGE }),
    '10,000 conversations, page in the middle of any': () => store.messages(many.any(), { before: many.middle, limit: PAGE }),
    [`10,000 conversations, heads of ${HEADS}`]: () => store.heads(READER, Array.from({ length: HEADS }, many.any)),
  };
}

async function measure(name: string, call: () => Promise<unknown>): Promise<Figure[]> {
  for (let i = 0; i < WARM_UP; i++) await call();
  const histogram = microseconds();
  for (let i = 0; i < CALLS; i++) {
    const startedAt = performance.now();
    await call();
    histogram.record(Math.max(1, Math.round((performance.now() - startedAt) * 1_000)));
  }
  const { p50, p99, max } = percentiles(histogram);
  console.log(`  ${name}: p50 ${p50.toFixed(2)}, p99 ${p99.toFixed(2)}, max ${max.toFixed(2)} ms`);
  return [
    { name: `${name}: p50`, value: p50, unit: 'ms' },
    { name: `${name}: p99`, value: p99, unit: 'ms', budget: { atMost: BUDGET_MS }, note: `max ${max}` },
  ];
}

/** How Postgres finds such a page: the statements of the store, with and without a position. */
async function plans(sql: postgres.Sql, messages: number): Promise<Record<string, string[]>> {
  const explain = async (statement: string, seq: number) => {
    const rows = await sql.unsafe(`EXPLAIN (ANALYZE, BUFFERS) ${statement}`, [BIG, seq, PAGE]);
    return rows.map((row) => String(row['QUERY PLAN']));
  };
  const middle = Math.floor(messages / 2);
  return {
    newest: await explain(BY_PARTITION.MESSAGES_BEFORE, Number.MAX_SAFE_INTEGER),
    beforeTheMiddle: await explain(BY_PARTITION.MESSAGES_BEFORE, middle),
    afterTheMiddle: await explain(BY_PARTITION.MESSAGES_AFTER, middle),
  };
}
