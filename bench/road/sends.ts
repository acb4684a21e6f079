import { setTimeout as sleep } from 'node:timers/promises';
import type { RawClient } from '../lib/raw-client.ts';
import type { Figure } from '../lib/report.ts';
import { type BenchServer, startServer } from '../lib/server.ts';
import { BODY, createConversations, openClients, users } from './world.ts';

const CONNECTIONS = 200;
const IN_FLIGHT = 24;
const WARM_UP_MS = 3_000;
const MEASURE_MS = 10_000;

/** Saved messages per second, each connection keeping a window in flight: durable, fsync before each ack. */
export async function sends(): Promise<Figure[]> {
  return [
    { name: 'saved, 200 connections, 1,000 conversations', value: await saved(1_000), unit: 'msg/s', budget: { atLeast: 10_000 } },
    { name: 'saved, 200 connections, one conversation', value: await saved(1), unit: 'msg/s', budget: { atLeast: 8_000 } },
  ];
}

async function saved(conversations: number): Promise<number> {
  const server = await startServer();
  const names = users(CONNECTIONS);
  const groups = Array.from({ length: conversations }, (_, i) =>
    conversations === 1 ? names : Array.from({ length: 10 }, (_, k) => names[(i + k * 20) % CONNECTIONS]!),
  );
  const cids = await createConversations(server, groups);
  const own = names.map((name) => cids.filter((_, i) => groups[i]!.includes(name)));
  const clients = await openClients(server, names);
  const counters = clients.map((client, i) => pump(client, `m${i}`, own[i]!));
  await sleep(WARM_UP_MS);
  const before = counters.reduce((sum, counter) => sum + counter.acked, 0);
  const started = performance.now();
  const cpu = server.cpuSec();
  await sleep(MEASURE_MS);
  const rate = (counters.reduce((sum, counter) => sum + counter.acked, 0) - before) / ((performance.now() - started) / 1_000);
  console.log(
    `  ${conversations} conversations: ${Math.round(rate)} msg/s, server CPU ${((server.cpuSec() - cpu) / (MEASURE_MS / 1_000)).toFixed(2)} cores`,
  );
  for (const client of clients) client.end();
  await verify(server, names[0]!, own[0]!, counters[0]!.acked);
  await server.stop();
  return rate;
}

/** What was counted must be there: the first connection's conversations hold at least what it was acked. */
async function verify(server: BenchServer, user: string, cids: readonly string[], acked: number): Promise<void> {
  const headers = { authorization: `Bearer ${await server.token(user)}` };
  let heads = 0;
  for (const cid of cids) {
    const { head } = (await (await fetch(`${server.url}/v1/conversations/${cid}`, { headers })).json()) as { head: number };
    heads += head;
  }
  if (heads < acked) throw new Error(`${acked} acked, but the heads say ${heads}`);
}

/** Keeps the window full: each ack sends the next message. */
function pump(client: RawClient, prefix: string, cids: readonly string[]): { acked: number } {
  const counter = { acked: 0 };
  let sent = 0;
  const next = () => ({ t: 'send', cid: cids[sent % cids.length], mid: `${prefix}-${sent++}`, kind: 'text', body: BODY });
  client.onFrame = (payload) => {
    if (!payload.subarray(0, 11).equals(ACK)) return;
    counter.acked++;
    client.send(next());
  };
  client.sendAll(Array.from({ length: IN_FLIGHT }, next));
  return counter;
}

const ACK = Buffer.from('{"t":"ack",');
