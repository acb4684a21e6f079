import { setTimeout as sleep } from 'node:timers/promises';
import type { Figure } from '../lib/report.ts';
import { startServer } from '../lib/server.ts';
import { createConversations, joinAll, openClients, users } from './world.ts';

const CONNECTIONS = 10_000;

/** Memory of connections that are authenticated, joined to one conversation each, and silent. */
export async function idle(): Promise<Figure[]> {
  const server = await startServer();
  const started = server.rssBytes();
  const names = users(CONNECTIONS);
  const cids = await createConversations(
    server,
    Array.from({ length: CONNECTIONS / 10 }, (_, i) => names.slice(i * 10, i * 10 + 10)),
  );
  const empty = server.rssBytes();
  // What the first connections cost once (code, caches) is not what the next ones cost.
  const first = await openClients(server, names.slice(0, 500));
  await joinAll(first, (i) => cids[Math.floor(i / 10)]!);
  for (const client of first) client.end();
  await sleep(5_000);
  const warm = server.rssBytes();
  const clients = await openClients(server, names);
  await joinAll(clients, (i) => cids[Math.floor(i / 10)]!);
  await sleep(20_000);
  const cpu = server.cpuSec();
  await sleep(30_000);
  const idleCpu = ((server.cpuSec() - cpu) / 30 / CONNECTIONS) * 1e6;
  const full = server.rssBytes();
  for (const client of clients) client.end();
  await server.stop();
  return [
    {
      name: 'RSS per idle connection at 10,000, from a server that had none',
      value: (full - empty) / CONNECTIONS / 1024,
      unit: 'KiB',
      budget: { atMost: 15 },
    },
    { name: 'the same, from a warm server', value: (full - warm) / CONNECTIONS / 1024, unit: 'KiB' },
    {
      name: 'the same, from a server just started: conversations and all that grew with them',
      value: (full - started) / CONNECTIONS / 1024,
      unit: 'KiB',
    },
    { name: 'RSS of the server with 10,000', value: full / 2 ** 20, unit: 'MiB' },
    { name: 'CPU per idle connection and second', value: idleCpu, unit: 'µs' },
  ];
}
