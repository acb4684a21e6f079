import { setTimeout as sleep } from 'node:timers/promises';
import type { RawClient } from '../lib/raw-client.ts';
import type { Figure } from '../lib/report.ts';
import { type BenchServer, startServer } from '../lib/server.ts';
import { BODY, createConversations, joinAll, openClients, users } from './world.ts';

const MEMBERS = 1_000;

/** Server CPU per delivery in a room of 1,000, everything from the sender's frame to the last write included. */
export async function fanout(): Promise<Figure[]> {
  const server = await startServer();
  const names = users(MEMBERS);
  const [cid] = await createConversations(server, [names]);
  const clients = await openClients(server, names);
  await joinAll(clients, () => cid!);
  await measure(server, clients, cid!, { rounds: 30, atOnce: 10, tag: 'warm' });
  const single = await measure(server, clients, cid!, { rounds: 300, atOnce: 1, tag: 'one' });
  const ten = await measure(server, clients, cid!, { rounds: 150, atOnce: 10, tag: 'ten' });
  for (const client of clients) client.end();
  await server.stop();
  return [
    { name: 'CPU per delivery, one message per write', value: single, unit: 'µs', budget: { atMost: 13 } },
    { name: 'CPU per delivery, ten messages per write', value: ten, unit: 'µs', budget: { atMost: 2 } },
  ];
}

/** Sends `atOnce` messages in one write, waits until all members have them, and goes on. */
async function measure(
  server: BenchServer,
  clients: readonly RawClient[],
  cid: string,
  { rounds, atOnce, tag }: { rounds: number; atOnce: number; tag: string },
): Promise<number> {
  // Receipts and notices of the joins have to be over.
  await sleep(1_000);
  let received = 0;
  let wanted = 0;
  let arrived = () => {};
  for (const client of clients) {
    client.onFrame = (payload) => {
      if (!payload.subarray(0, 14).equals(MESSAGE)) return;
      if (++received === wanted) arrived();
    };
  }
  const cpu = server.cpuSec();
  for (let round = 0; round < rounds; round++) {
    wanted += atOnce * clients.length;
    const all = new Promise<void>((resolve) => (arrived = resolve));
    clients[round % clients.length]!.sendAll(
      Array.from({ length: atOnce }, (_, i) => ({ t: 'send', cid, mid: `${tag}-${round}-${i}`, kind: 'text', body: BODY })),
    );
    await all;
  }
  return ((server.cpuSec() - cpu) * 1e6) / received;
}

const MESSAGE = Buffer.from('{"t":"message"');
