import { hash } from 'node:crypto';
import type { Row, TableName } from '../installation.ts';
import { stored } from './text.ts';

/** The row as this store would have written it. */
export function storedRow(table: TableName, row: Row): Row {
  if (table === 'log') return [...row.slice(0, -1).map(storedCell), storedPayload(row.at(-1) as string | null)];
  const cells = row.map(storedCell);
  // Which of two users is the lower one is said by their stored names (commit/changes.ts).
  return table === 'dm' ? [...(cells.slice(0, 2) as string[]).toSorted(), cells[2]!] : cells;
}

function storedCell(cell: string | number | null): string | number | null {
  return typeof cell === 'string' ? stored(cell) : cell;
}

/** Texts within a payload are stored as those in columns are. */
function storedPayload(payload: string | null): string | null {
  if (payload === null) return null;
  return JSON.stringify(JSON.parse(payload, (_, value: unknown) => (typeof value === 'string' ? stored(value) : value)));
}

/** Texts of a column as one parameter for `textList`, where they are stored ones already. */
export function joined(cells: readonly (string | null)[]): string {
  return cells.map((cell) => cell ?? '').join(SEPARATOR);
}

/** How many rows, and the sum of their hashes: the same for the same rows in any order. */
export interface Fingerprint {
  readonly rows: number;
  readonly sum: number;
}

export const NO_ROWS: Fingerprint = { rows: 0, sum: 0 };

/** Of a hash, so that a sum of two is an exact number in JavaScript. */
const HASH_BYTES = 6;
const MODULUS = 2 ** (8 * HASH_BYTES);

/** Stands for NULL among stored texts: none has this escape. */
const NULL = '\u0001n';
/** None has this character at all. */
const SEPARATOR = '\u0002';

export function fingerprintOf(table: TableName, rows: Iterable<Row>): Fingerprint {
  let count = 0;
  let sum = 0;
  for (const row of rows) {
    const text = storedRow(table, row)
      .map((cell) => cell ?? NULL)
      .join(SEPARATOR);
    count++;
    sum = (sum + hash('sha256', text, 'buffer').readUIntBE(0, HASH_BYTES)) % MODULUS;
  }
  return { rows: count, sum };
}

/** SQL of the same: columns `rows` and `sum` of a SELECT from a table with these columns. */
export function fingerprintSql(columns: readonly string[]): string {
  const texts = columns.map((column) => `coalesce(${column}::text, E'\\x01n')`).join(", E'\\x02', ");
  const bytes = `substr(sha256(convert_to(concat(${texts}), 'UTF8')), 1, ${HASH_BYTES})`;
  const sum = `sum(('x' || encode(${bytes}, 'hex'))::bit(${8 * HASH_BYTES})::bigint)`;
  return `count(*) AS rows, coalesce((${sum} % ${MODULUS})::bigint, 0) AS sum`;
}
