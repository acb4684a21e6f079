import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fillConversation } from '../lib/fill.ts';
import { RawClient } from '../lib/raw-client.ts';
import type { Figure } from '../lib/report.ts';
import { startServer } from '../lib/server.ts';

const MESSAGES = 1_000_000;
const SAMPLE_MS = 100;
/** From here on memory must stay: pages, statements and caches are there by then. */
const WARM_MESSAGES = 200_000;

/** One client that comes back with nothing and reads a conversation of a million messages, every seq checked. */
export async function catchUp(): Promise<Figure[]> {
  const dataDir = mkdtempSync(join(tmpdir(), 'gapless-bench-'));
  await fillConversation(join(dataDir, 'gapless.db'), MESSAGES);
  const server = await startServer({ dataDir });
  const figures: Figure[] = [];
  // Code, pages and the sizes of heaps are there once; what counts is that nothing grows with the messages.
  const first = await RawClient.open({ port: server.port, token: await server.token('u0') });
  await read('the first', first, { t: 'join', cid: 'bench', rev: 0 }, () => server);
  first.end();
  for (const [name, cursor, query] of [
    ['rev, frames in arrays', 'rev', '?batch=1'],
    ['rev', 'rev', ''],
    ['since, frames in arrays', 'since', '?batch=1'],
  ] as const) {
    const client = await RawClient.open({ port: server.port, token: await server.token('u0'), query });
    figures.push(...(await read(name, client, { t: 'join', cid: 'bench', [cursor]: 0 }, () => server)));
    client.end();
  }
  await server.stop();
  rmSync(dataDir, { recursive: true, force: true });
  return figures;
}

async function read(
  name: string,
  client: RawClient,
  join: object,
  server: () => { rssBytes(): number; cpuSec(): number },
): Promise<Figure[]> {
  let seq = 0;
  const rss = { server: [] as number[], client: [] as number[] };
  const sampling = setInterval(() => {
    if (seq < WARM_MESSAGES) return;
    rss.server.push(server().rssBytes());
    rss.client.push(process.memoryUsage.rss());
  }, SAMPLE_MS);
  const cpu = server().cpuSec();
  const started = performance.now();
  await new Promise<void>((resolve) => {
    client.onFrame = (payload) => {
      seq = checkSeqs(payload, seq);
      if (seq === MESSAGES) resolve();
    };
    client.send(join);
  });
  const sec = (performance.now() - started) / 1_000;
  clearInterval(sampling);
  return [
    { name: `catch-up of 1,000,000 by ${name}`, value: MESSAGES / sec, unit: 'msg/s', budget: { atLeast: 100_000 } },
    { name: `${name}: server CPU per message`, value: ((server().cpuSec() - cpu) * 1e6) / MESSAGES, unit: 'µs' },
    { name: `${name}: server RSS, most less least after the warm-up`, value: spreadMiB(rss.server), unit: 'MiB', budget: { atMost: 50 } },
    { name: `${name}: client RSS, most less least after the warm-up`, value: spreadMiB(rss.client), unit: 'MiB', budget: { atMost: 50 } },
  ];
}

const SEQ = Buffer.from('"seq":');

/** The last seq in the payload. @throws Error unless each is the one after the last */
function checkSeqs(payload: Buffer, last: number): number {
  for (let at = payload.indexOf(SEQ); at !== -1; at = payload.indexOf(SEQ, at)) {
    at += SEQ.length;
    let seq = 0;
    for (; payload[at]! >= 0x30 && payload[at]! <= 0x39; at++) seq = seq * 10 + payload[at]! - 0x30;
    if (seq !== last + 1) throw new Error(`seq ${seq} after ${last}`);
    last = seq;
  }
  return last;
}

function spreadMiB(samples: readonly number[]): number {
  return samples.length === 0 ? 0 : (Math.max(...samples) - Math.min(...samples)) / 2 ** 20;
}
