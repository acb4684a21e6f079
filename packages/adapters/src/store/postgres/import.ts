import { type Installation, type Row, TABLE_NAMES, TABLES, type TableName } from '../installation.ts';
import { type Comparison, compare, type Progress } from './compare.ts';
import { migrate, postgresMigrationStatus } from './migrate.ts';
import { joined, storedRow } from './stored-row.ts';
import { inTransaction, refuse, TargetRefused, type Transaction } from './target.ts';
import { textList } from './text.ts';

export interface CompareOptions {
  readonly url: string;
  readonly source: Installation;
  readonly onProgress?: Progress;
}

export interface ImportOptions extends CompareOptions {
  /** Called before the transaction is committed: an error after that leaves open whether it was. */
  readonly onCommit?: () => void;
}

export interface TableTime {
  readonly table: TableName;
  readonly rows: number;
  readonly ms: number;
}

export type Imported = Comparison & { readonly times: readonly TableTime[] };

/** What one statement carries: with more of them the time does not change, with fewer the network counts. Memory holds two of them. */
const BATCH_ROWS = 2_000;
const BATCH_CHARS = 1024 * 1024;

/** Somebody else's backup or maintenance may take this long. */
const LOCK_WAIT_MS = 10_000;

/**
 * Copies an installation into an empty database, whose schema it makes, and compares the two.
 *
 * It is one transaction, comparison included: whatever happens, all of it is there or nothing. No other connection sees a part of it, so
 * there is nothing to mark, to resume or to clean up, and the tables are locked: a server that is started on the database meanwhile
 * refuses to start. Where the two differ nothing is committed.
 *
 * @throws TargetRefused when it holds anything, or a server is connected to it
 */
export async function importInstallation({ url, source, onProgress = () => {}, onCommit = () => {} }: ImportOptions): Promise<Imported> {
  await migrate(url).catch(refuse);
  let imported: Imported | undefined;
  const differs = new Error('the copy is not equal to its source');
  try {
    await inTransaction(url, {}, async (tx) => {
      await takeOver(tx);
      const times: TableTime[] = [];
      for (const table of TABLE_NAMES) times.push(await copyTable(tx, { table, source, onProgress }));
      // Places of the log go on behind those that were copied.
      await tx.unsafe("SELECT setval('log_id', greatest(1, (SELECT max(id) FROM log)), EXISTS (SELECT 1 FROM log))");
      // The comparison, and then the first queries of a server, need to know how large the tables are.
      await tx.unsafe(`ANALYZE ${TABLE_NAMES.join(', ')}`);
      imported = { ...(await compare(tx, { source, onProgress })), times };
      if (imported.differences.length > 0) throw differs;
      onCommit();
    });
  } catch (error) {
    if (error !== differs) throw error;
  }
  return imported!;
}

/**
 * Compares, and writes nothing.
 * @throws TargetRefused when it has no schema, or another one
 */
export async function compareInstallations({ url, source, onProgress = () => {} }: CompareOptions): Promise<Comparison> {
  const status = await postgresMigrationStatus(url).catch(refuse);
  const pending = status.find(({ state }) => state === 'pending');
  if (pending !== undefined)
    throw new TargetRefused(`the target holds no copy: migration ${pending.version} (${pending.name}) was not applied`);
  return inTransaction(url, { mode: 'isolation level repeatable read read only' }, (tx) => compare(tx, { source, onProgress }));
}

/** Makes sure that the database is empty, and that nobody else uses it until the end. */
async function takeOver(tx: Transaction): Promise<void> {
  const [servers] =
    await tx`SELECT count(*) AS count FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'gapless'`;
  if (servers?.count > 0) throw new TargetRefused('a server is connected to the target; stop it first');
  await tx.unsafe(`SET LOCAL lock_timeout = ${LOCK_WAIT_MS}`);
  try {
    await tx.unsafe(`LOCK TABLE ${TABLE_NAMES.join(', ')} IN ACCESS EXCLUSIVE MODE`);
  } catch (error) {
    throw new TargetRefused(`the tables of the target cannot be locked: ${(error as Error).message}`, { cause: error });
  }
  // A cursor without its log would have the event bus miss what comes.
  for (const table of [...TABLE_NAMES, 'consumer_cursor']) {
    const [row] = await tx.unsafe(`SELECT EXISTS (SELECT 1 FROM ${table}) AS used`);
    if (row?.used === true)
      throw new TargetRefused(
        `the target is not empty: there are rows in ${table}; --verify-only tells whether they are those of the source`,
      );
  }
}

interface TableCopy {
  readonly table: TableName;
  readonly source: Installation;
  readonly onProgress: Progress;
}

/**
 * INSERT from arrays, not COPY: measured equally quick here, where the indexes are what takes the time, and with postgres.js a COPY that
 * fails at its end never says so.
 */
async function copyTable(tx: Transaction, { table, source, onProgress }: TableCopy): Promise<TableTime> {
  const started = performance.now();
  const text = insertInto(table);
  let rows = 0;
  let pending: Promise<unknown> = Promise.resolve();
  for (const batch of batchesOf(source.rows(table))) {
    const values = columnsOf(table, batch);
    await pending;
    // Postgres writes this one while the next is read.
    pending = tx.unsafe(text, values, { prepare: true }).execute();
    // It is awaited on the next round, and may have failed by then.
    pending.catch(() => {});
    onProgress({ doing: 'copying', table, rows: (rows += batch.length) });
  }
  await pending;
  return { table, rows, ms: performance.now() - started };
}

function* batchesOf(rows: Iterable<Row>): Generator<Row[]> {
  let batch: Row[] = [];
  let chars = 0;
  for (const row of rows) {
    batch.push(row);
    for (const cell of row) if (typeof cell === 'string') chars += cell.length;
    if (batch.length < BATCH_ROWS && chars < BATCH_CHARS) continue;
    yield batch;
    [batch, chars] = [[], 0];
  }
  if (batch.length > 0) yield batch;
}

function insertInto(table: TableName): string {
  const columns = Object.entries(TABLES[table]);
  const arrays = columns.map(([, type], i) => (type === 'text' ? textList(i + 1) : `$${i + 1}::bigint[]`));
  return `INSERT INTO ${table} (${columns.map(([name]) => name).join(', ')}) SELECT * FROM unnest(${arrays.join(', ')})`;
}

/** One parameter a column. */
function columnsOf(table: TableName, batch: readonly Row[]): string[] {
  const rows = batch.map((row) => storedRow(table, row));
  return Object.values(TABLES[table]).map((type, i) => {
    const cells = rows.map((row) => row[i]!);
    return type === 'text' ? joined(cells as (string | null)[]) : `{${cells.map((cell) => cell ?? 'NULL').join(',')}}`;
  });
}
