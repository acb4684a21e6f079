import { setTimeout as sleep } from 'node:timers/promises';
import type { RawClient } from '../lib/raw-client.ts';
import { type Figure, microseconds, percentiles } from '../lib/report.ts';
import { type BenchServer, startServer } from '../lib/server.ts';
import { addMembers, BODY, createConversations, joinAll, openClients, users } from '../road/world.ts';

const SIZES = [10_000, 2_000, 200];
const SECONDS = 4;
/** Fewer in the largest: what one generator can read. */
const PER_SEC = (members: number) => (members >= 10_000 ? 5 : 10);
const MODES = ['push', 'notify', 'none'] as const;
/** Share of the members whose page is not hidden: the others have nothing to pull. */
const LOOKING = [1, 0.1];

/**
 * One conversation with so many members online, all of them looking at it, or few: pushed, told and pulled, or only looked into. What a
 * message costs the server for each member, and when those who look see it.
 */
export async function large(): Promise<Figure[]> {
  const figures: Figure[] = [];
  for (const members of SIZES) {
    const server = await startServer();
    const names = users(members);
    const [cid] = await createConversations(server, [names]);
    await addMembers(server, cid!, names.slice(1_000));
    const clients = await openClients(server, names, '?batch=1&pull=1');
    await joinAll(clients, () => cid!);
    for (const looking of LOOKING) {
      for (const mode of MODES) {
        console.log(`  ${members} members, ${looking * 100} % look, ${mode} …`);
        figures.push(...(await measure(server, clients, cid!, { mode, looking })));
      }
    }
    for (const client of clients) client.end();
    await server.stop();
  }
  return figures;
}

async function measure(
  server: BenchServer,
  clients: readonly RawClient[],
  cid: string,
  { mode, looking: share }: { mode: (typeof MODES)[number]; looking: number },
): Promise<Figure[]> {
  await setMode(server, mode);
  // Of this measurement alone: at a switch comes what was not pulled before it.
  const mark = `${mode}-${share * 100}-`;
  const mid = Buffer.from(`"mid":"${mark}`);
  const latency = microseconds();
  const sentAt: number[] = [];
  const perSec = PER_SEC(clients.length);
  const lookers = clients.length * share;
  const messages = perSec * SECONDS;
  const wanted = messages * (mode === 'push' ? clients.length : lookers);
  let received = 0;
  let done = () => {};
  const all = new Promise<void>((resolve) => (done = resolve));
  const looking = clients.map((client) => new Looking(client, cid));
  for (const [i, client] of clients.entries()) {
    client.onFrame = (payload) => {
      const now = performance.now();
      for (let at = payload.indexOf(mid); at !== -1; at = payload.indexOf(mid, at + 1)) {
        // The ack of the sender has a mid too.
        if (payload.indexOf(MESSAGE) === -1) break;
        const n = Number.parseInt(payload.toString('latin1', at + mid.length, at + mid.length + 8), 10);
        latency.record(Math.max(1, Math.round((now - sentAt[n]!) * 1_000)));
        if (++received === wanted) done();
      }
      if (i < lookers && payload.indexOf(HEAD) !== -1) looking[i]!.told(payload);
    };
  }
  // The switch reaches a conversation with its next message.
  clients[0]!.send({ t: 'send', cid, mid: `switch-${mode}-${share * 100}`, kind: 'text', body: BODY });
  await sleep(2_000);
  const cpu = server.cpuSec();
  for (let n = 0; n < messages; n++) {
    sentAt[n] = performance.now();
    clients[n % lookers]!.send({ t: 'send', cid, mid: `${mark}${String(n).padStart(8, '0')}`, kind: 'text', body: BODY });
    await sleep(1_000 / perSec);
  }
  await all;
  for (const one of looking) one.stop();
  const { p50, p99 } = percentiles(latency);
  console.log(`    ${(((server.cpuSec() - cpu) * 1e6) / messages / clients.length).toFixed(1)} µs, seen after ${p50} / ${p99} ms`);
  const name = `${clients.length} members, ${share * 100} % look, ${mode}`;
  return [
    { name: `${name}: server CPU per message and member`, value: ((server.cpuSec() - cpu) * 1e6) / messages / clients.length, unit: 'µs' },
    { name: `${name}: seen after, p50`, value: p50, unit: 'ms' },
    { name: `${name}: seen after, p99`, value: p99, unit: 'ms' },
  ];
}

/** Does what the SDK does: pulls within the time that a notice names, or now and then where nothing is told. */
class Looking {
  readonly #client: RawClient;
  readonly #cid: string;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(client: RawClient, cid: string) {
    this.#client = client;
    this.#cid = cid;
  }

  told(payload: Buffer): void {
    const frames = JSON.parse(payload.toString()) as { t: string; mode: string; waitMs: number }[];
    const head = [frames].flat().findLast(({ t }) => t === 'head')!;
    if (head.mode === 'push') return this.stop();
    this.#timer ??= setTimeout(() => this.#pull(head), Math.random() * head.waitMs);
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #pull(head: { mode: string; waitMs: number }): void {
    this.#timer = head.mode === 'none' ? setTimeout(() => this.#pull(head), head.waitMs * (0.5 + Math.random())) : undefined;
    this.#client.send({ t: 'pull', cid: this.#cid });
  }
}

async function setMode(server: BenchServer, mode: string): Promise<void> {
  const response = await fetch(`${server.url}/v1/admin/settings`, {
    method: 'PATCH',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${await server.token('ops', { role: 'admin' })}` },
    // No threshold of size turns a notice into none.
    body: JSON.stringify({
      'group-chat-strategy-mode': mode,
      'group-chat-strategy-notify-max-online-user': '1000000',
      'group-chat-strategy-huge-group-no-notify-size': '1000000',
    }),
  });
  if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
}

const MESSAGE = Buffer.from('"t":"message"');
const HEAD = Buffer.from('"t":"head"');
