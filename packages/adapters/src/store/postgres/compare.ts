import { type Installation, OF_CONVERSATION, type OfConversation, type Row, TABLE_NAMES, TABLES, type TableName } from '../installation.ts';
import { type Fingerprint, fingerprintOf, fingerprintSql, NO_ROWS, storedRow } from './stored-row.ts';
import type { Transaction } from './target.ts';
import { read, stored, textList, texts } from './text.ts';

export type Progress = (now: { readonly doing: 'copying' | 'comparing'; readonly table: TableName; readonly rows: number }) => void;

export interface Comparison {
  readonly tables: readonly { readonly table: TableName; readonly source: number; readonly target: number }[];
  /** One line each, the first of them. */
  readonly differences: readonly string[];
  /** How many there are. */
  readonly different: number;
  readonly compareMs: number;
}

const DIFFERENCES_TOLD_MAX = 20;

/** Conversations that are looked at together: enough for the network not to count, few enough to be found by index. */
const PAGE = 500;

/** Small, or of no conversation: compared as a whole. */
const WHOLE = ['users', 'session', 'refresh_token', 'dm', 'accept_state', 'accept_node', 'accept_rescue'] as const satisfies TableName[];

class Differences {
  readonly told: string[] = [];
  count = 0;

  add(line: string): void {
    if (++this.count <= DIFFERENCES_TOLD_MAX) this.told.push(line);
  }
}

/**
 * Compares every column of every row: the number of rows of each table, each conversation by itself, and what there is of each
 * conversation by a sum of hashes of its rows. What only the target has shows in the numbers.
 */
export async function compare(
  tx: Transaction,
  { source, onProgress }: { source: Installation; onProgress: Progress },
): Promise<Comparison> {
  const started = performance.now();
  const differences = new Differences();
  const tables: { table: TableName; source: number; target: number }[] = [];
  for (const table of TABLE_NAMES) {
    const [row] = await tx.unsafe(`SELECT count(*) AS rows FROM ${table}`);
    const counted = { table, source: source.count(table), target: row!.rows as number };
    tables.push(counted);
    if (counted.source !== counted.target)
      differences.add(`${table}: ${counted.source} rows in the source, ${counted.target} in the target`);
  }
  for (const table of WHOLE) await compareWhole(tx, { table, source, differences });
  let after = 0;
  let rows = 0;
  for (let page = source.conversations(after, PAGE); page.length > 0; page = source.conversations(after, PAGE)) {
    await compareConversations(tx, { page, differences });
    for (const table of OF_CONVERSATION) await compareRowsOf(tx, { table, page, source, differences });
    after = page.at(-1)!.place;
    onProgress({ doing: 'comparing', table: 'conversation', rows: (rows += page.length) });
  }
  return { tables, differences: differences.told, different: differences.count, compareMs: performance.now() - started };
}

interface PageOf {
  readonly page: readonly { readonly place: number; readonly row: Row }[];
  readonly differences: Differences;
}

async function compareWhole(
  tx: Transaction,
  { table, source, differences }: { table: (typeof WHOLE)[number]; source: Installation; differences: Differences },
): Promise<void> {
  const [row] = await tx.unsafe(`SELECT ${fingerprintSql(Object.keys(TABLES[table]))} FROM ${table}`);
  const theirs = row as unknown as Fingerprint;
  const ours = fingerprintOf(table, source.rows(table));
  // Another number of rows was told already.
  if (ours.rows === theirs.rows && ours.sum !== theirs.sum) differences.add(`${table}: ${ours.rows} rows, and not the same ones`);
}

async function compareConversations(tx: Transaction, { page, differences }: PageOf): Promise<void> {
  const columns = Object.keys(TABLES.conversation);
  const found = await tx.unsafe(`SELECT ${columns.join(', ')} FROM conversation WHERE cid = ANY (${textList(1)})`, [cidsOf(page)]);
  const byCid = new Map(found.map((row) => [row.cid as string, row]));
  for (const { row } of page) {
    const ours = storedRow('conversation', row);
    const theirs = byCid.get(ours[0] as string);
    if (theirs === undefined) differences.add(`conversation ${row[0]}: missing in the target`);
    else
      for (const [i, column] of columns.entries())
        if (ours[i] !== theirs[column])
          differences.add(`conversation ${row[0]}: ${column} is ${shown(ours[i]!)} in the source, ${shown(theirs[column])} in the target`);
  }
}

async function compareRowsOf(
  tx: Transaction,
  { table, page, source, differences }: PageOf & { table: OfConversation; source: Installation },
): Promise<void> {
  const text = `SELECT cid, ${fingerprintSql(Object.keys(TABLES[table]))} FROM ${table} WHERE cid = ANY (${textList(1)}) GROUP BY cid`;
  const found = (await tx.unsafe(text, [cidsOf(page)])) as unknown as (Fingerprint & { cid: string })[];
  const byCid = new Map(found.map((row) => [row.cid, row]));
  for (const { place, row } of page) {
    const cid = String(row[0]);
    const ours = fingerprintOf(table, source.rowsOf(table, place));
    const theirs = byCid.get(stored(cid)) ?? NO_ROWS;
    if (ours.rows !== theirs.rows)
      differences.add(`conversation ${cid}: ${table}: ${ours.rows} rows in the source, ${theirs.rows} in the target`);
    else if (ours.sum !== theirs.sum) differences.add(`conversation ${cid}: ${table}: ${ours.rows} rows, and not the same ones`);
  }
}

function cidsOf(page: PageOf['page']): string {
  return texts(page.map(({ row }) => row[0] as string));
}

function shown(cell: string | number | null): string {
  return typeof cell === 'string' ? JSON.stringify(read(cell)) : String(cell);
}
