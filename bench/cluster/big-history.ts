import type postgres from 'postgres';

/** The conversation with everything in it, and who is in all conversations. */
export const BIG = 'big';
export const READER = 'u0';
const CONVERSATIONS = 10_000;
const MEMBERS = 10;
/** Rows of one INSERT: each is a transaction. */
const BATCH = 500_000;
const AT = 1_760_000_000_000;
const BODY = '{"text":"Good morning! The meeting was moved to three in the afternoon, please be there in time. See you in room 5."}';
const COLUMNS = 'cid, seq, rev, mid, sender, at, kind, body, digest';

/**
 * Fills the tables of the store's migrations: so many messages in one conversation, and as many in 10,000. Messages have no log row: pages
 * and heads read none. Resolves to how long it took, in ms.
 */
export async function fill(sql: postgres.Sql, messages: number): Promise<number> {
  const startedAt = performance.now();
  const each = messages / CONVERSATIONS;
  await conversations(sql, `VALUES ('${BIG}')`, messages);
  await conversations(sql, `SELECT 'c' || n FROM generate_series(0, ${CONVERSATIONS - 1}) n`, each);
  for (let from = 0; from < messages; from += BATCH) {
    const to = Math.min(from + BATCH, messages);
    await insert(sql, `'${BIG}'`, 'i', { from: from + 1, to });
    console.error(`  ${to.toLocaleString('en')} messages in one conversation`);
  }
  // Turn by turn, as they come in life: the pages of a conversation are scattered over the table.
  for (let from = 0; from < messages; from += BATCH) {
    const to = Math.min(from + BATCH, messages);
    await insert(sql, `'c' || (i - 1) % ${CONVERSATIONS}`, `1 + (i - 1) / ${CONVERSATIONS}`, { from: from + 1, to });
    console.error(`  ${to.toLocaleString('en')} messages in ${CONVERSATIONS.toLocaleString('en')}`);
  }
  await sql.unsafe('VACUUM (ANALYZE)');
  return performance.now() - startedAt;
}

async function conversations(sql: postgres.Sql, cids: string, head: number): Promise<void> {
  await sql.unsafe(
    `INSERT INTO conversation (cid, kind, created_at, updated_at, head, rev, oldest_rev, members_rev, members)
     SELECT cid, 'group', ${AT}, ${AT}, ${head}, ${head + 1}, 1, 1, ${MEMBERS} FROM (${cids}) t (cid)`,
  );
  await sql.unsafe(
    `INSERT INTO participant (cid, uid, role, joined_at, last_read)
     SELECT cid, 'u' || m, 'member', ${AT}, 0 FROM (${cids}) t (cid), generate_series(0, ${MEMBERS - 1}) m`,
  );
}

/** Revs are one ahead of the seqs: the first is that of the conversation. */
async function insert(sql: postgres.Sql, cid: string, seq: string, { from, to }: { from: number; to: number }): Promise<void> {
  await sql.unsafe(
    `INSERT INTO message (${COLUMNS})
     SELECT ${cid}, ${seq}, 1 + ${seq}, '01K' || lpad(to_hex(i), 23, '0'), 'u' || i % ${MEMBERS}, ${AT} + i, 'text', '${BODY}', lpad(to_hex(i), 32, '0')
     FROM generate_series(${from}::bigint, ${to}::bigint) i`,
  );
}

/** Places in the one conversation. */
export function bigOnes(messages: number) {
  /** Of what is near a depth: pages that stay warm, and are not all the same. */
  const near = Math.min(10_000, messages / 1_000);
  return {
    seqAt: (part: number) => Math.max(100, Math.floor(part * messages + Math.random() * near)),
    seqAnywhere: () => 100 + Math.floor(Math.random() * (messages - 100)),
  };
}

/** The many small ones. */
export function smallOnes(messages: number) {
  return { any: () => `c${Math.floor(Math.random() * CONVERSATIONS)}`, middle: Math.max(2, Math.floor(messages / CONVERSATIONS / 2)) };
}
