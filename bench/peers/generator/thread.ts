import { parentPort, workerData } from 'node:worker_threads';
import { senderOf, threadOf } from '../layout.ts';
import { Client, type Desk } from './client.ts';
import { dialects } from './dialects.ts';
import type { Latencies } from './latencies.ts';
import { type FromThread, PROGRESS, type ThreadInput, type ToThread } from './messages.ts';
import { intendedUs, nowUs, type Schedule } from './schedule.ts';
import { Tally } from './tally.ts';

// One thread of the generator: joins its clients, sends by the clock, and counts what comes.

/** Joins at once. */
const JOINING = 50;
const PUBLISH_MS = 20;

const { thread, threads, layout, dialect, targets, progress } = workerData as ThreadInput;
const shared = new Float64Array(progress).subarray(thread * PROGRESS.fields, (thread + 1) * PROGRESS.fields);
const desk: Desk = { dialect: dialects[dialect], tally: undefined, closed: 0 };
const clients: Client[] = [];
let halted = false;

for (let at = 0; at < targets.length; at += JOINING) {
  const joining = targets.slice(at, at + JOINING).map((target, i) => Client.join(desk, at + i, target));
  clients.push(...(await Promise.all(joining)));
}

const publishing = setInterval(publish, PUBLISH_MS);
parentPort!.on('message', (message: ToThread) => {
  if (message.t === 'step') start(message.schedule);
  else if (message.t === 'halt') halted = true;
  else if (message.t === 'finish') finish();
  else end();
});
tell({ t: 'ready' });

function start(schedule: Schedule): void {
  const tally = new Tally(layout, schedule, { thread, threads });
  desk.tally = tally;
  halted = false;
  let next = schedule.first;
  const until = schedule.first + schedule.count;
  const tick = () => {
    const now = nowUs();
    for (; next < until && intendedUs(schedule, next) <= now; next++) {
      const client = senderOf(layout, next);
      if (threadOf(client, threads) !== thread) continue;
      tally.lag.record(now - intendedUs(schedule, next));
      clients[Math.floor(client / threads)]!.send(next);
      tally.sent++;
    }
    if (next < until && !halted) setTimeout(tick, 1);
  };
  tick();
}

function publish(): void {
  const { tally } = desk;
  shared[PROGRESS.sent] = tally?.sent ?? 0;
  shared[PROGRESS.received] = tally?.received ?? 0;
  shared[PROGRESS.acked] = tally?.acked ?? 0;
  shared[PROGRESS.closed] = desk.closed;
}

function finish(): void {
  const { sent, received, acked, lost, misplaced, misread, ...latencies } = desk.tally!;
  const { e2e, firstSec, lastSec, ack, lag } = latencies;
  desk.tally = undefined;
  publish();
  const measured = { e2e: plain(e2e), firstSec: plain(firstSec), lastSec: plain(lastSec), ack: plain(ack), lag: plain(lag) };
  tell({ t: 'counted', sent, received, acked, lost, misplaced, misread, ...measured });
}

function plain({ buckets, maxUs }: Latencies) {
  return { buckets, maxUs };
}

function end(): void {
  clearInterval(publishing);
  for (const client of clients) client.end();
  parentPort!.close();
}

function tell(message: FromThread): void {
  parentPort!.postMessage(message);
}
