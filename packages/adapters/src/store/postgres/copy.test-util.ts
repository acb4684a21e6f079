import type { FeedRow, Store } from '@gapless/core';
import { openSqliteExport, openSqliteStore } from '../sqlite/index.ts';
import { neverFatal } from '../sqlite/temp.test-util.ts';
import { type Imported, type ImportOptions, importInstallation } from './index.ts';

export const openSqlite = (path: string): Promise<Store> => openSqliteStore({ path, onFatal: neverFatal });

export async function copy(path: string, url: string, options: Pick<ImportOptions, 'onProgress'> = {}): Promise<Imported> {
  const source = openSqliteExport(path);
  try {
    return await importInstallation({ url, source, ...options });
  } finally {
    source.close();
  }
}

/** Everything that the port tells of these users and conversations, and all of the log. */
export async function everything(store: Store, { uids, cids }: { uids: readonly string[]; cids: readonly string[] }): Promise<unknown> {
  const all = { after: 0, limit: 1_000_000 };
  return {
    users: await store.users(uids),
    credentials: await inTurn(uids, (uid) => store.credentials(uid)),
    sessions: await inTurn(uids, (uid) => store.sessionsOf(uid, { at: 0, limit: 1_000 })),
    revoked: (await store.revokedSessions(0)).toSorted(),
    revs: await store.revs(cids),
    heads: await inTurn(uids, (uid) => store.heads(uid, cids)),
    lists: await inTurn(uids, (uid) => store.conversationsOf(uid, { limit: 1_000 })),
    acquainted: await inTurn(uids, async (uid) => (await store.acquainted(uid, uids)).toSorted()),
    conversations: await inTurn(cids, async (cid) => ({
      record: await store.conversation(cid),
      participants: await store.participants(cid),
      positions: await store.positions(cid),
      views: await inTurn(uids, (uid) => store.conversationView(uid, cid)),
      changes: await store.changes(cid, all),
      messages: await store.messages(cid, all),
    })),
    log: await logOf(store, cids),
  };
}

/** Not all at once: a statement that waits too long for a connection is refused. */
async function inTurn<T, R>(items: readonly T[], ask: (item: T) => Promise<R>): Promise<R[]> {
  const answers: R[] = [];
  for (const item of items) answers.push(await ask(item));
  return answers;
}

/**
 * Rows of all parts, by id. There are as many as revs, and a creation each; they are asked for until all are there, since any open
 * transaction of the server holds some back, be it one of its own vacuum.
 */
export async function logOf(store: Store, cids: readonly string[]): Promise<FeedRow[]> {
  const revs = (await store.revs(cids)).filter((rev) => rev !== undefined);
  const count = revs.reduce((sum, rev) => sum + rev + 1, 0);
  for (;;) {
    const parts = await inTurn([...Array(store.parts).keys()], (part) => store.feed(part, { after: 0, limit: 1_000_000 }));
    const rows = parts.flat().toSorted((a, b) => a.id - b.id);
    if (rows.length >= count) return rows;
  }
}
