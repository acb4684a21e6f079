import { DatabaseSync } from 'node:sqlite';
import { type Installation, type OfConversation, type Row, TABLES, type TableName } from '../installation.ts';
import { lockDatabase } from './lock.ts';
import { requireMigrated } from './migrate.ts';

/** Its tables there; where the inner id of a conversation stands for its cid, that is looked up. */
const FROM: Record<TableName, string> = {
  users: 'user t',
  session: 'session t',
  refresh_token: 'refresh_token t',
  conversation: 'conversation t',
  dm: 'conversation t',
  participant: 'participant t JOIN conversation c ON c.id = t.conv',
  delivered: 'delivered t JOIN conversation c ON c.id = t.conv',
  message: 'message t JOIN conversation c ON c.id = t.conv',
  log: 'log t JOIN conversation c ON c.id = t.conv',
  accept_state: 'accept_state t',
  accept_node: 'accept_node t',
  accept_rescue: 'accept_rescue t',
};

/**
 * Opens the database for reading, as it is now: one transaction. The file is not changed; `-wal` and `-shm` may be made beside it.
 * @throws Error when a server runs on it, or its schema is not this code's
 */
export function openSqliteExport(path: string): Installation {
  const unlock = lockDatabase(path);
  try {
    const db = new DatabaseSync(path, { readOnly: true });
    try {
      db.exec('BEGIN');
      requireMigrated(db);
      return installationOf(db, unlock);
    } catch (error) {
      db.close();
      throw error;
    }
  } catch (error) {
    unlock();
    throw error;
  }
}

function installationOf(db: DatabaseSync, unlock: () => void): Installation {
  const conversations = db.prepare(`SELECT t.id, ${columnsOf('conversation')} FROM conversation t WHERE t.id > ? ORDER BY t.id LIMIT ?`);
  conversations.setReturnArrays(true);
  let closed = false;
  return {
    // Of the table alone: a row whose conversation is missing is counted, and so missed in the copy.
    count: (table) => Number(db.prepare(`SELECT count(*) AS n FROM ${FROM[table].split(' JOIN ')[0]} ${conditionOf(table)}`).get()?.n),

    *rows(table) {
      const all = db.prepare(`SELECT ${columnsOf(table)} FROM ${FROM[table]} ${conditionOf(table)}`);
      all.setReturnArrays(true);
      for (const row of all.iterate() as Iterable<unknown> as Iterable<Row>) yield table === 'dm' ? dmOf(row) : row;
    },

    conversations: (after, limit) =>
      (conversations.all(after, limit) as unknown as [number, ...Row][]).map(([place, ...row]) => ({ place, row })),

    rowsOf: (table: OfConversation, place: number) => {
      const some = db.prepare(`SELECT ${columnsOf(table)} FROM ${FROM[table]} WHERE t.conv = ?`);
      some.setReturnArrays(true);
      return some.iterate(place) as Iterable<unknown> as Iterable<Row>;
    },

    close() {
      if (closed) return;
      closed = true;
      db.close();
      unlock();
    },
  };
}

function columnsOf(table: TableName): string {
  if (table === 'dm') return 't.dm_key, t.cid';
  const joined = FROM[table].includes(' JOIN ');
  return Object.keys(TABLES[table])
    .map((column) => (joined && column === 'cid' ? 'c.cid' : `t.${column}`))
    .join(', ');
}

function conditionOf(table: TableName): string {
  return table === 'dm' ? 'WHERE t.dm_key IS NOT NULL' : '';
}

/** Both users are one text here. */
function dmOf([key, cid]: Row): Row {
  const [low, high] = JSON.parse(String(key)) as [string, string];
  return [low, high, cid!];
}
