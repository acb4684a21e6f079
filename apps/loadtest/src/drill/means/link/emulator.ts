import { read, writeSync } from 'node:fs';
import { seededRandom } from '@gapless/kit';
import { DueQueue } from './due-queue.ts';
import { CLEAN, type LinkProfile } from './profile.ts';
import { type LinkCounts, Shaper } from './shaper.ts';

// A process of its own between two TUN devices, whose file descriptors are its last two arguments. Spoken to over IPC; ends with its parent.

/** Sets both directions, or only one; answers with what was counted so far. */
export interface LinkOrder {
  readonly up?: LinkProfile;
  readonly down?: LinkProfile;
}

export interface LinkAnswer {
  readonly up: LinkCounts;
  readonly down: LinkCounts;
}

const PACKET_MAX_BYTES = 65_536;

interface Direction {
  readonly shaper: Shaper;
  readonly waiting: DueQueue<Buffer>;
  readonly from: number;
  readonly to: number;
}

const [seed, left, right] = process.argv.slice(-3).map(Number) as [number, number, number];
const chance = seededRandom(seed);
const up: Direction = { shaper: new Shaper(CLEAN, chance), waiting: new DueQueue(), from: left, to: right };
const down: Direction = { shaper: new Shaper(CLEAN, chance), waiting: new DueQueue(), from: right, to: left };
let timer: NodeJS.Timeout | undefined;

process.on('message', (order: LinkOrder) => {
  if (order.up !== undefined) up.shaper.profile = order.up;
  if (order.down !== undefined) down.shaper.profile = order.down;
  process.send!({ up: up.shaper.counts, down: down.shaper.counts } satisfies LinkAnswer);
});
// A read that waits for a packet would keep the process.
process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'));
for (const direction of [up, down]) receive(direction);

function receive(direction: Direction): void {
  const packet = Buffer.allocUnsafe(PACKET_MAX_BYTES);
  read(direction.from, packet, 0, PACKET_MAX_BYTES, null, (error, bytes) => {
    if (error !== null) throw error;
    const copy = Buffer.from(packet.subarray(0, bytes));
    for (const at of direction.shaper.pass(bytes, performance.now(), flowOf(copy))) direction.waiting.add(at, copy);
    sendDue();
    receive(direction);
  });
}

/** The ports of a TCP or UDP packet over IPv4: the connection it belongs to. */
function flowOf(packet: Buffer): number {
  const ports = (packet[0]! & 0x0f) * 4;
  return packet.length < ports + 4 ? 0 : packet.readUInt16BE(ports) + packet.readUInt16BE(ports + 2);
}

function sendDue(): void {
  clearTimeout(timer);
  for (const { waiting, to } of [up, down]) for (const packet of waiting.take(performance.now())) writeSync(to, packet);
  const next = Math.min(up.waiting.next ?? Number.POSITIVE_INFINITY, down.waiting.next ?? Number.POSITIVE_INFINITY);
  if (next !== Number.POSITIVE_INFINITY) timer = setTimeout(sendDue, Math.max(1, next - performance.now()));
}
