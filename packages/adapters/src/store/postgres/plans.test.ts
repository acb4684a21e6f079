import { expect, test } from 'vitest';
import { ACCEPT_BY_INDEX, ACCEPT_BY_PARTITION } from './accept.ts';
import { LIVE_SESSIONS } from './accounts.ts';
import { PLANS } from './connection.ts';
import { PARTS } from './feed.ts';
import { migrate } from './migrate.ts';
import { BY_INDEX, BY_PARTITION } from './reads.ts';
import { query, SERVERS, serverOf } from './server.test-util.ts';

// Goal: what is asked all the time goes by an index of the one partition that has it, and touches no more rows than it gives, whatever the
// size of the tables. Method: Postgres tells what it did for a prepared statement, whose plan knows no values.

interface Plan {
  'Node Type': string;
  'Relation Name'?: string;
  'Index Name'?: string;
  'Subplans Removed'?: number;
  'Actual Rows': number;
  'Actual Loops': number;
  'Rows Removed by Filter'?: number;
  'Rows Removed by Join Filter'?: number;
  Plans?: Plan[];
}

function nodesOf(plan: Plan): Plan[] {
  return [plan, ...(plan.Plans ?? []).flatMap(nodesOf)];
}

/** Rows of a page, in what is asked. */
const PAGE = 50;
/** What they are asked for: a page at the far end of the large conversation, the user who is in it and in a few others. */
const VALUES: Record<string, readonly string[]> = {
  CONVERSATION: ["'large'"],
  MESSAGES_AFTER: ["'large'", '19900', `${PAGE}`],
  MESSAGES_BEFORE: ["'large'", '15000', `${PAGE}`],
  CHANGES: ["'large'", '19900', `${PAGE}`],
  REVS: ["E'c1\\x02large\\x02c3'"],
  HEADS: ["'u7'", "E'c1\\x02large\\x02c3'"],
  CONVERSATIONS_OF: ["'u7'", '10', "'x'", `${PAGE}`],
  CONVERSATION_VIEW: ["'u7'", "'large'"],
  ACQUAINTED: ["'u7'", "E'u8\\x02u9\\x02nobody'"],
  FIRST_OUTCOMES: ["'large'", "E'77\\x02nothing\\x0219999'"],
  MIDS_AFTER: ["'large'", "'5'", `${PAGE}`],
  OPEN: ['7', "'c1'", `${PAGE}`],
  RESCUED: ['7', "E'c1\\x02large\\x02c3'"],
};

const OF_ONE = { ...BY_PARTITION, ...ACCEPT_BY_PARTITION };
const STATEMENTS = { ...OF_ONE, ...BY_INDEX, ...ACCEPT_BY_INDEX };

for (const which of SERVERS) {
  const server = await serverOf(which);
  test(`pages, heads and lists, with PostgreSQL of ${which}`, async (ctx) => {
    if ('reason' in server) return ctx.skip(server.reason);
    const url = await server.createDatabase();
    await migrate(url);
    await query(url, FILL);
    for (const [name, values] of Object.entries(VALUES)) {
      const plan = await planOf(url, STATEMENTS[name as keyof typeof STATEMENTS], values);
      const scans = plan.filter((node) => node['Relation Name'] !== undefined);
      const kinds = new Set(scans.map((node) => node['Node Type'].replace('Index Only', 'Index')));
      const touched = Math.max(...plan.map(touchedBy));
      expect.soft({ name, kinds, touched }).toEqual({ name, kinds: new Set(['Index Scan']), touched: Math.min(touched, PAGE) });
      if (name in OF_ONE) expect.soft(onePartition(plan), name).toBe(true);
    }
  });

  test(`all participants and positions are of one partition, with PostgreSQL of ${which}`, async (ctx) => {
    if ('reason' in server) return ctx.skip(server.reason);
    const url = await server.createDatabase();
    await migrate(url);
    for (const name of ['PARTICIPANTS', 'POSITIONS'] as const) {
      expect.soft(onePartition(await planOf(url, BY_PARTITION[name], ["'large'", '5'])), name).toBe(true);
    }
  });

  test(`the list of sign-ins goes by its index, with PostgreSQL of ${which}`, async (ctx) => {
    if ('reason' in server) return ctx.skip(server.reason);
    const url = await server.createDatabase();
    await migrate(url);
    const plan = await planOf(url, LIVE_SESSIONS, ["'u1'", '1', '5']);
    expect(plan.flatMap((node) => node['Index Name'] ?? [])).toEqual(['session_of_user']);
  });
}

/** Whether of each table one partition was read, the others left out before. */
function onePartition(plan: readonly Plan[]): boolean {
  const tables = plan.flatMap((node) => node['Relation Name']?.replace(/_p\d$/, '') ?? []);
  return new Set(tables).size === tables.length && plan.every((node) => (node['Subplans Removed'] ?? PARTS - 1) === PARTS - 1);
}

/** Rows that a node had in its hands. */
function touchedBy(node: Plan): number {
  const removed = (node['Rows Removed by Filter'] ?? 0) + (node['Rows Removed by Join Filter'] ?? 0);
  return (node['Actual Rows'] + removed) * node['Actual Loops'];
}

/** A conversation of 20,000 messages and 5,000 participants among small ones. */
const FILL = `
  INSERT INTO conversation (cid, kind, created_at, updated_at, head, rev)
    SELECT 'c' || i, 'group', 1, 1, 10, 10 FROM generate_series(1, 2000) i UNION ALL SELECT 'large', 'group', 1, 1, 20000, 20000;
  INSERT INTO participant (cid, uid, role, joined_at)
    SELECT 'c' || i, 'u' || (i * 10 + u) % 5000, 'member', 1 FROM generate_series(1, 2000) i, generate_series(1, 10) u
    UNION ALL SELECT 'large', 'u' || u, 'member', 1 FROM generate_series(0, 4999) u;
  INSERT INTO message (cid, seq, rev, mid, sender, at, kind, body, digest)
    SELECT 'c' || i % 2000 + 1, i / 2000, i / 2000, i, 'ann', 1, 'text', '{}', 'x' FROM generate_series(1, 20000) i
    UNION ALL SELECT 'large', i, i, i, 'ann', 1, 'text', '{}', 'x' FROM generate_series(1, 20000) i;
  UPDATE conversation SET accept_epoch = 7 WHERE cid LIKE 'c%';
  INSERT INTO accept_rescue (epoch, cid, seq, rev, node, send)
    SELECT 7, c, i, i, 'n1', '{}' FROM unnest('{large,c1,other}'::text[]) c, generate_series(1, 20020) i WHERE c = 'large' OR i <= 30;
  INSERT INTO log (cid, rev, op, seq, actor, at) SELECT cid, rev, 'message', seq, sender, at FROM message;
  ANALYZE`;

/** What the plan for any values did for these. */
async function planOf(url: string, text: string, values: readonly string[]): Promise<Plan[]> {
  const settings = Object.entries(PLANS).map(([name, value]) => `SET ${name} = ${value};`);
  const explain = `EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) EXECUTE asked(${values.slice(0, parametersOf(text)).join(', ')})`;
  const results = await query(url, `${settings.join(' ')} PREPARE asked AS ${text}; ${explain}`);
  const [explained] = (results as unknown as Record<string, [{ Plan: Plan }]>[][]).at(-1)!;
  return nodesOf(explained!['QUERY PLAN']![0].Plan);
}

function parametersOf(text: string): number {
  return Math.max(...[...text.matchAll(/\$(\d)/g)].map(([, number]) => Number(number)));
}
