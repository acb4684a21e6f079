import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fillConversation } from '../lib/fill.ts';
import { type Figure, microseconds, percentiles } from '../lib/report.ts';
import { startServer } from '../lib/server.ts';

const MESSAGES = 1_000_000;
const PAGES = 3_000;

/** Pages of 50 at random depth of a conversation of a million messages, over HTTP, one at a time. */
export async function history(): Promise<Figure[]> {
  const dataDir = mkdtempSync(join(tmpdir(), 'gapless-bench-'));
  await fillConversation(join(dataDir, 'gapless.db'), MESSAGES);
  const server = await startServer({ dataDir });
  const headers = { authorization: `Bearer ${await server.token('u0')}` };
  const latency = microseconds();
  const depths = { shallow: microseconds(), deep: microseconds() };
  for (let i = 0; i < PAGES + 200; i++) {
    const before = 51 + Math.floor(Math.random() * (MESSAGES - 51));
    const started = performance.now();
    const response = await fetch(`${server.url}/v1/conversations/bench/messages?before=${before}&limit=50`, { headers });
    const { items } = (await response.json()) as { items: { seq: number }[] };
    const took = Math.max(1, Math.round((performance.now() - started) * 1_000));
    if (items.length !== 50 || items[0]!.seq !== before - 50) throw new Error(`wrong page before ${before}`);
    if (i < 200) continue;
    latency.record(took);
    (before > MESSAGES / 2 ? depths.shallow : depths.deep).record(took);
  }
  await server.stop();
  rmSync(dataDir, { recursive: true, force: true });
  return [
    { name: 'page of 50 in 1,000,000, p50', value: percentiles(latency).p50, unit: 'ms' },
    { name: 'page of 50 in 1,000,000, p99', value: percentiles(latency).p99, unit: 'ms', budget: { atMost: 5 } },
    { name: 'newer half, p50', value: percentiles(depths.shallow).p50, unit: 'ms' },
    { name: 'older half, p50', value: percentiles(depths.deep).p50, unit: 'ms' },
  ];
}
