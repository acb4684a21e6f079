import { type Figure, microseconds, percentiles } from '../lib/report.ts';
import { startServer } from '../lib/server.ts';
import { BODY, createConversations, openClients, users } from './world.ts';

const CONNECTIONS = 200;
const RATE = 1_000;
const WARM_UP_MS = 3_000;
const MEASURE_MS = 20_000;

/** Ack latency at a fixed rate, open loop: from when a message was to be sent, whether or not the generator was late. */
export async function acks(): Promise<Figure[]> {
  const server = await startServer();
  const names = users(CONNECTIONS);
  const cids = await createConversations(
    server,
    Array.from({ length: 1_000 }, (_, i) => [names[i % CONNECTIONS]!, names[(i + 1) % CONNECTIONS]!]),
  );
  const clients = await openClients(server, names);
  const latency = microseconds();
  const lag = microseconds();
  const due = new Map<string, number>();
  const begin = performance.now() + 100;
  for (const client of clients) {
    client.onFrame = (payload) => {
      const frame = JSON.parse(payload.toString());
      if (frame.t !== 'ack') return;
      const at = due.get(frame.mid)!;
      if (at - begin >= WARM_UP_MS) latency.record(Math.max(1, Math.round((performance.now() - at) * 1_000)));
      due.delete(frame.mid);
    };
  }
  const total = ((WARM_UP_MS + MEASURE_MS) / 1_000) * RATE;
  let sent = 0;
  await new Promise<void>((resolve) => {
    const tick = () => {
      const now = performance.now();
      for (; sent < total && begin + (sent * 1_000) / RATE <= now; sent++) {
        const at = begin + (sent * 1_000) / RATE;
        const mid = `a${sent}`;
        due.set(mid, at);
        lag.record(Math.max(1, Math.round((now - at) * 1_000)));
        clients[sent % CONNECTIONS]!.send({ t: 'send', cid: cids[sent % CONNECTIONS], mid, kind: 'text', body: BODY });
      }
      if (sent < total) setTimeout(tick, 1);
      else setTimeout(resolve, 1_000);
    };
    tick();
  });
  const { p50, p99, max } = percentiles(latency);
  for (const client of clients) client.end();
  await server.stop();
  return [
    { name: 'ack p50 at 1,000 msg/s', value: p50, unit: 'ms' },
    { name: 'ack p99 at 1,000 msg/s', value: p99, unit: 'ms', budget: { atMost: 20 } },
    { name: 'ack max at 1,000 msg/s', value: max, unit: 'ms' },
    { name: 'acks missing at the end', value: due.size, unit: 'msg', budget: { atMost: 0 } },
    { name: 'generator lag p99', value: percentiles(lag).p99, unit: 'ms' },
  ];
}
