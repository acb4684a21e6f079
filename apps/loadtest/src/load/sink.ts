import { type AddressInfo, createServer, type Socket } from 'node:net';
import { parentPort, workerData } from 'node:worker_threads';
import { nowUs } from './clock.ts';
import { makeMid, tagOf } from './mid.ts';

// The other end of the self-test: as little of a server as its clients take. Everyone who joins gets the same messages, framed once, at
// the rate asked for; what is due at one moment goes in one write, as a server does that is behind.

export interface SinkInput {
  readonly run: string;
  readonly bodyBytes: number;
}
export type ToSink = { t: 'rate'; perSec: number } | { t: 'report' };
export type FromSink = { t: 'listening'; port: number } | { t: 'report'; sent: number; cpuUs: number; atUs: number };

/** Above this a receiver is behind, and everyone waits for it: nothing is lost, and the rate shows it. */
const UNSENT_MAX_BYTES = 256 * 1_024;
const WRITE_MAX_MESSAGES = 200;
const TICK_MS = 1;

const { run, bodyBytes } = workerData as SinkInput;
const body = JSON.stringify({ text: 'x'.repeat(Math.max(0, bodyBytes - '{"text":""}'.length)) });
const tag = tagOf(run);
const members: Socket[] = [];
let perSec = 0;
let startUs = 0;
let sentInStep = 0;
let sent = 0;

parentPort!.on('message', (message: ToSink) => {
  if (message.t === 'report') {
    const { user, system } = process.threadCpuUsage();
    return tell({ t: 'report', sent, cpuUs: user + system, atUs: nowUs() });
  }
  perSec = message.perSec;
  startUs = nowUs();
  sentInStep = 0;
});

const server = createServer({ noDelay: true }, (socket) => {
  let state: 'upgrade' | 'join' | 'member' = 'upgrade';
  socket.on('error', () => {});
  socket.on('data', () => {
    if (state === 'upgrade') {
      socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n');
      socket.write(framed('{"t":"ready"}'));
      state = 'join';
    } else if (state === 'join') {
      socket.write(framed(`{"t":"joined","cid":"sink","head":${sent},"rev":${sent},"lastRead":0}`));
      members.push(socket);
      state = 'member';
    }
  });
});
server.listen(0, '127.0.0.1', () => tell({ t: 'listening', port: (server.address() as AddressInfo).port }));
tick();

function tick(): void {
  const due = Math.floor(((nowUs() - startUs) / 1e6) * perSec) - sentInStep;
  const stalled = members.some((socket) => socket.writableLength > UNSENT_MAX_BYTES);
  if (due > 0 && !stalled) broadcast(Math.min(due, WRITE_MAX_MESSAGES));
  if (due > 1 && !stalled) setImmediate(tick);
  else setTimeout(tick, TICK_MS);
}

function broadcast(count: number): void {
  const frames: Buffer[] = [];
  for (let i = 0; i < count; i++) {
    const intendedUs = startUs + Math.round((sentInStep++ / perSec) * 1e6);
    const mid = makeMid({ tag, client: 0, intendedUs });
    sent++;
    const at = Date.now();
    frames.push(
      framed(
        `{"t":"message","cid":"sink-of-the-same-length-26c","seq":${sent},"rev":${sent},"mid":"${mid}","from":"${run}-u0","at":${at},"kind":"text","body":${body}}`,
      ),
    );
  }
  const bytes = Buffer.concat(frames);
  for (const socket of members) socket.write(bytes);
}

function framed(text: string): Buffer {
  const length = Buffer.byteLength(text);
  const header = length < 126 ? Buffer.from([0x81, length]) : Buffer.from([0x81, 126, length >> 8, length & 255]);
  return Buffer.concat([header, Buffer.from(text)]);
}

function tell(message: FromSink): void {
  parentPort!.postMessage(message);
}
