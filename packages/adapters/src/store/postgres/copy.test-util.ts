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
    credentials: await Promise.all(uids.map((uid) => store.credentials(uid))),
    sessions: await Promise.all(uids.map((uid) => store.sessionsOf(uid, { at: 0, limit: 1_000 }))),
    revoked: (await store.revokedSessions(0)).toSorted(),
    revs: await store.revs(cids),
    heads: await Promise.all(uids.map((uid) => store.heads(uid, cids))),
    lists: await Promise.all(uids.map((uid) => store.conversationsOf(uid, { limit: 1_000 }))),
    acquainted: await Promise.all(uids.map(async (uid) => (await store.acquainted(uid, uids)).toSorted())),
    conversations: await Promise.all(
      cids.map(async (cid) => ({
        record: await store.conversation(cid),
        participants: await store.participants(cid),
        positions: await store.positions(cid),
        views: await Promise.all(uids.map((uid) => store.conversationView(uid, cid))),
        changes: await store.changes(cid, all),
        messages: await store.messages(cid, all),
      })),
    ),
    log: await logOf(store),
  };
}

/** Rows of all parts, by id. */
export async function logOf(store: Store): Promise<FeedRow[]> {
  const parts = Array.from({ length: store.parts }, (_, part) => store.feed(part, { after: 0, limit: 1_000_000 }));
  return (await Promise.all(parts)).flat().toSorted((a, b) => a.id - b.id);
}
