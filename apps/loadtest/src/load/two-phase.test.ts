import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { type WebSocket, WebSocketServer } from 'ws';
import type { What } from '../check/event.ts';
import { LoadClient } from './client.ts';
import { nowUs } from './clock.ts';
import { LoadContext } from './context.ts';
import type { HistoryWriter } from './history-writer.ts';
import { DEFAULTS } from './options.ts';

// Goal: both acks are counted and measured apart, and a message whose number was taken back goes again with the same mid, until it is
// saved. Method: one client, and a server that says what the test wants.

interface Told {
  readonly t: string;
  readonly mid: string;
}

/** `answer` is called for each `send`, with how many came before. */
async function oneClient(answer: (socket: WebSocket, mid: string, n: number) => void) {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  await once(server, 'listening');
  const mids: string[] = [];
  server.on('connection', (socket) => {
    say(socket, { t: 'ready' });
    socket.on('message', (data) => {
      const { t, mid } = JSON.parse(String(data)) as Told;
      if (t === 'join') say(socket, { t: 'joined', cid: 'c', head: 0, rev: 0, lastRead: 0 });
      if (t !== 'send') return;
      mids.push(mid);
      answer(socket, mid, mids.length - 1);
    });
  });
  const told: What[] = [];
  const history = { write: (_: string, what: What) => void told.push(what) } as unknown as HistoryWriter;
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const context = new LoadContext(
    'Lx',
    { ...DEFAULTS, urls: [url], jwtSecret: 'a-secret-for-tests-only-a-secret-for-tests-only' },
    history,
  );
  const client = new LoadClient({ index: 0, user: 'u0', cid: 'c', node: 0, sends: true, role: 'fast', steady: false }, context);
  await client.connect();
  onTestFinished(() => {
    client.finish();
    for (const socket of server.clients) socket.terminate();
    server.close();
  });
  let answers = 0;
  client.onAnswer = () => void answers++;
  const until = async (fact: () => boolean) => {
    while (!fact()) await new Promise((resolve) => setTimeout(resolve, 5));
  };
  const outcomes = () =>
    told.flatMap((what) => {
      if (what.ev === 'ok') return [`${what.stage ?? 'saved'} ${what.seq}`];
      return what.ev === 'info' || what.ev === 'fail' ? [`${what.ev} ${what.code ?? ''}`] : what.ev === 'invoke' ? ['invoke'] : [];
    });
  return { client, context, mids, until, outcomes, answered: () => answers };
}

function say(socket: WebSocket, frame: object): void {
  socket.send(JSON.stringify(frame));
}

function ack(socket: WebSocket, mid: string, { stage, pos }: { stage: 'accepted' | 'saved'; pos: number }): void {
  say(socket, { t: 'ack', cid: 'c', mid, pos, rev: pos, stage, at: 1 });
}

function refuse(socket: WebSocket, mid: string, code: string): void {
  say(socket, { t: 'error', code, msg: '', ref: { t: 'send', cid: 'c', mid }, retryAfterMs: 1 });
}

test('accepted, then saved: counted apart, one answer', async () => {
  const { client, context, until, outcomes, answered } = await oneClient((socket, mid) => {
    ack(socket, mid, { stage: 'accepted', pos: 1 });
    ack(socket, mid, { stage: 'saved', pos: 1 });
  });
  client.send(nowUs());
  await until(() => client.answered);
  const { counts, histograms, errors } = context;
  expect(counts).toMatchObject({ sent: 1, accepted: 1, saved: 1, voided: 0, resent: 0 });
  expect([histograms.accepted.count, histograms.saved.count, answered(), errors.size]).toEqual([1, 1, 1, 0]);
  expect(outcomes()).toEqual(['invoke', 'accepted 1', 'saved 1']);
});

test('a number that is taken back: told as unknown, sent again with the same mid whatever is in the way, saved under another', async () => {
  const { client, context, mids, until, outcomes } = await oneClient((socket, mid, n) => {
    if (n === 0) {
      ack(socket, mid, { stage: 'accepted', pos: 1 });
      return refuse(socket, mid, 'store_unavailable');
    }
    if (n <= 2) return refuse(socket, mid, n === 1 ? 'server_busy' : 'store_unavailable');
    ack(socket, mid, { stage: 'accepted', pos: 7 });
    ack(socket, mid, { stage: 'saved', pos: 7 });
  });
  client.send(nowUs());
  await until(() => client.answered);
  expect(context.counts).toMatchObject({ sent: 1, accepted: 1, saved: 1, voided: 1, resent: 3 });
  expect([new Set(mids).size, mids.length, context.errors.size, context.heads.get('c')]).toEqual([1, 4, 0, 7]);
  expect(outcomes()).toEqual([
    ...['invoke', 'accepted 1', 'info store_unavailable'],
    ...['invoke', 'info server_busy', 'invoke', 'info store_unavailable'],
    ...['invoke', 'accepted 7', 'saved 7'],
  ]);
});

test('accepted and never saved is no missing answer: it is counted by itself', async () => {
  const { client, context, until } = await oneClient((socket, mid) => ack(socket, mid, { stage: 'accepted', pos: 1 }));
  client.send(nowUs());
  await until(() => context.counts.accepted === 1);
  expect(client.answered).toBe(false);
  client.finish();
  expect([context.counts.unsaved, context.errors.size]).toEqual([1, 0]);
});

test('refused before it was accepted: an error, and over', async () => {
  const { client, context, mids, until } = await oneClient((socket, mid) => refuse(socket, mid, 'store_unavailable'));
  client.send(nowUs());
  await until(() => client.answered);
  expect([mids.length, [...context.errors]]).toEqual([1, [['store_unavailable', 1]]]);
});
