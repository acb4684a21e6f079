import { createRequire } from 'node:module';
import postgres from 'postgres';
import { type WebSocket, WebSocketServer } from 'ws';
import { sayReady } from './ready.ts';

// The server that tutorials end with: ws in front, Postgres behind, one transaction for each message, `SELECT … FOR UPDATE` to number it,
// an outbox row, and after the commit a loop over the members. Left out, which is to its advantage: Redis between the commit and the loop
// (one process needs none), checking the membership, and publishing the outbox. Added: a client's messages go one after the other, as
// otherwise they overtake each other in the pool.

const POOL = 10;
const [url, rooms] = process.argv.slice(2);
const sql = postgres(url!, { max: POOL, onnotice: () => {} });

await sql`CREATE TABLE conversation (id text PRIMARY KEY, last_seq bigint NOT NULL DEFAULT 0)`;
await sql`CREATE TABLE message (
  conversation_id text NOT NULL REFERENCES conversation, seq bigint NOT NULL, mid text NOT NULL, sender_id text NOT NULL,
  body jsonb NOT NULL, created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (conversation_id, seq), UNIQUE (conversation_id, mid))`;
await sql`CREATE TABLE outbox (id bigserial PRIMARY KEY, topic text NOT NULL, key text NOT NULL, payload jsonb NOT NULL)`;
await sql`INSERT INTO conversation (id) SELECT 'r' || n FROM generate_series(0, ${Number(rooms) - 1}::int) AS n`;

interface Send {
  readonly cid: string;
  readonly mid: string;
  readonly body: postgres.JSONValue;
}

const members = new Map<string, Set<WebSocket>>();
const wss = new WebSocketServer({ port: 0, host: '127.0.0.1', backlog: 4_096, perMessageDeflate: false });
let users = 0;

wss.on('connection', (ws) => {
  const uid = `u${users++}`;
  let before = Promise.resolve();
  ws.on('message', (raw) => {
    const message = JSON.parse(raw.toString());
    if (message.t === 'join') join(ws, message.cid);
    else before = before.then(() => send(ws, uid, message));
  });
});

function join(ws: WebSocket, cid: string): void {
  members.set(cid, (members.get(cid) ?? new Set()).add(ws));
  ws.send(JSON.stringify({ t: 'joined', cid }));
}

async function send(ws: WebSocket, uid: string, { cid, mid, body }: Send): Promise<void> {
  const seq = await save(uid, { cid, mid, body });
  ws.send(JSON.stringify({ t: 'ack', cid, mid, seq }));
  const payload = JSON.stringify({ t: 'message', cid, seq, mid, from: uid, at: Date.now(), body });
  for (const member of members.get(cid)!) member.send(payload);
}

function save(uid: string, { cid, mid, body }: Send): Promise<number> {
  return sql.begin(async (tx) => {
    const [conversation] = await tx`SELECT last_seq FROM conversation WHERE id = ${cid} FOR UPDATE`;
    const seq = Number(conversation!.last_seq) + 1;
    await tx`INSERT INTO message (conversation_id, seq, mid, sender_id, body) VALUES (${cid}, ${seq}, ${mid}, ${uid}, ${tx.json(body)})`;
    await tx`UPDATE conversation SET last_seq = ${seq} WHERE id = ${cid}`;
    await tx`INSERT INTO outbox (topic, key, payload) VALUES ('delivered', ${cid}, ${tx.json({ cid, seq })})`;
    return seq;
  });
}

wss.on('listening', () => {
  const require = createRequire(import.meta.url);
  sayReady(wss.address(), `ws ${require('ws/package.json').version}`);
});
