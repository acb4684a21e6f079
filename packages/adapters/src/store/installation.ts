/** What an installation keeps, table by table: all that moves when it changes its database. Names and types are those of Postgres. */
export const TABLES = {
  users: { uid: 'text', name: 'text', created_at: 'bigint', password: 'text' },
  session: {
    sid: 'text',
    uid: 'text',
    label: 'text',
    created_at: 'bigint',
    last_seen_at: 'bigint',
    expires_at: 'bigint',
    revoked_at: 'bigint',
  },
  refresh_token: { hash: 'text', sid: 'text', used_at: 'bigint' },
  conversation: {
    cid: 'text',
    kind: 'text',
    title: 'text',
    created_at: 'bigint',
    updated_at: 'bigint',
    head: 'bigint',
    rev: 'bigint',
    oldest_rev: 'bigint',
    members_rev: 'bigint',
    members: 'bigint',
    accept_epoch: 'bigint',
    accept_opening: 'bigint',
    accept_opened: 'bigint',
    reserved: 'bigint',
  },
  dm: { low: 'text', high: 'text', cid: 'text' },
  participant: { cid: 'text', uid: 'text', role: 'text', joined_at: 'bigint', last_read: 'bigint', delivered: 'bigint' },
  delivered: { cid: 'text', uid: 'text', did: 'text', pos: 'bigint' },
  message: {
    cid: 'text',
    seq: 'bigint',
    rev: 'bigint',
    mid: 'text',
    sender: 'text',
    at: 'bigint',
    kind: 'text',
    body: 'text',
    extra: 'text',
    edited_at: 'bigint',
    recalled_at: 'bigint',
    digest: 'text',
  },
  log: {
    cid: 'text',
    rev: 'bigint',
    id: 'bigint',
    op: 'text',
    seq: 'bigint',
    actor: 'text',
    at: 'bigint',
    payload: 'text',
  },
  accept_state: { id: 'bigint', epoch: 'bigint', state: 'text' },
  accept_node: { node: 'text', epoch: 'bigint', handed_in: 'bigint', live_until: 'bigint' },
  accept_rescue: { epoch: 'bigint', cid: 'text', seq: 'bigint', rev: 'bigint', node: 'text', send: 'text' },
} as const satisfies Record<string, Record<string, 'text' | 'bigint'>>;

/**
 * What stays behind. Leases and cursors name places and holders of the old database, and a new one may be read by other consumers: they
 * start at the oldest row, so that nothing is skipped. The rest is about one database alone.
 */
export const NOT_MOVED = ['lease', 'cursor', 'consumer_cursor', 'health', 'migration'];

export type TableName = keyof typeof TABLES;
export const TABLE_NAMES = Object.keys(TABLES) as TableName[];

/** Tables with rows of many conversations, each found by its conversation. */
export const OF_CONVERSATION = ['participant', 'delivered', 'message', 'log'] as const;
export type OfConversation = (typeof OF_CONVERSATION)[number];

/** In the order of the table's columns. */
export type Row = readonly (string | number | null)[];

/** One moment of an installation, held until `close`. Nothing is read before it is asked for. */
export interface Installation {
  count(table: TableName): number;
  rows(table: TableName): Iterable<Row>;
  /** Conversations by their place in the source, from behind `after` (0: the first), at most `limit`. */
  conversations(after: number, limit: number): { readonly place: number; readonly row: Row }[];
  /** Rows of the conversation at that place. */
  rowsOf(table: OfConversation, place: number): Iterable<Row>;
  close(): void;
}
