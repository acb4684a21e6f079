import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DownFrame } from '@gapless/protocol';
import { expect, onTestFinished, test } from 'vitest';
import { checkEvents } from '../../check/check.ts';
import { type HistoryEvent, historyEvent } from '../../check/event.ts';
import { bodyDigest } from '../../digest.ts';
import { HistoryWriter } from '../../load/history-writer.ts';
import { Acks } from './acks.ts';
import { Recorder } from './recorder.ts';

// Goal: the checker sees what the client saw. Method: frames of a conversation in two phases, and what the history says of them.

const CID = 'c1';
const body = (text: string) => ({ text });
const message = (seq: number, text: string, more: object = {}): DownFrame => ({
  ...{ t: 'message', cid: CID, seq, rev: seq, mid: `m-${text}`, from: 'ada', at: 1, kind: 'text', body: body(text) },
  ...more,
});
const ack = (mid: string, pos: number, stage: 'accepted' | 'saved'): DownFrame => ({
  t: 'ack',
  cid: CID,
  mid,
  pos,
  rev: pos,
  stage,
  at: 1,
});
const joined = (head: number, rev = head): DownFrame => ({ t: 'joined', cid: CID, head, rev, lastRead: 0 });

function record(play: (recorder: Recorder) => void): HistoryEvent[] {
  const folder = mkdtempSync(join(tmpdir(), 'gapless-recorder-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'history.ndjson');
  const history = new HistoryWriter(file, 'p1');
  play(new Recorder({ user: 'ada', cid: CID, history, acks: new Acks() }));
  history.close();
  return readFileSync(file, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as HistoryEvent);
}

test('a send that is accepted, lost, and sent again', () => {
  const events = record((recorder) => {
    recorder.dialed('n1');
    recorder.up({ t: 'join', cid: CID });
    recorder.down(joined(0));
    recorder.up({ t: 'send', cid: CID, mid: 'm-one', kind: 'text', body: body('one') });
    recorder.down(ack('m-one', 1, 'accepted'));
    recorder.down(message(1, 'one', { stage: 'accepted' }));
    recorder.closed();
    recorder.dialed('n1');
    recorder.up({ t: 'sync', convs: [{ cid: CID, rev: 1 }] });
    recorder.down(joined(1, 2));
    recorder.down({ t: 'change', cid: CID, rev: 2, op: 'lost', seqs: [1], by: 'system', at: 2 });
    recorder.down({ t: 'error', code: 'store_unavailable', msg: '', ref: { t: 'send', cid: CID, mid: 'm-one' } });
    recorder.up({ t: 'send', cid: CID, mid: 'm-one', kind: 'text', body: body('one') });
    recorder.down(ack('m-one', 2, 'saved'));
    recorder.down(message(2, 'one', { rev: 3 }));
    recorder.drained();
  });
  expect(events.map(({ ev, k }) => `${ev} ${k}`)).toEqual([
    ...['joined 1', 'invoke 1', 'ok 1', 'recv 1', 'info 1'],
    ...['joined 2', 'lost 2', 'info 2', 'invoke 2', 'ok 2', 'recv 2', 'drained 2'],
  ]);
  expect(events[2]).toMatchObject({ stage: 'accepted', by: 'n1' });
  expect(events[5]).toMatchObject({ since: 1, head: 1 });
  const history = [
    historyEvent(CID, { seq: 1, mid: 'l1', from: 'system', h: bodyDigest({}), lost: true }),
    historyEvent(CID, { seq: 2, mid: 'm-one', from: 'ada', h: bodyDigest(body('one')) }),
  ];
  expect(checkEvents([...events, ...history])).toMatchObject({
    anomalies: [],
    acked: 1,
    saved: 1,
    acceptedLost: 1,
    acceptedLostReported: 1,
  });
  const untold = events.filter((event) => event.ev !== 'lost');
  expect(checkEvents([...untold, ...history]).anomalies.map(({ name }) => name)).toEqual(['shown-again']);
});

test('a join by rev goes on behind the newest message that is not newer than it', () => {
  const events = record((recorder) => {
    recorder.dialed('n1');
    recorder.up({ t: 'join', cid: CID });
    recorder.down(joined(7, 9));
    recorder.down(message(8, 'eight', { rev: 11 }));
    recorder.down(message(9, 'nine', { rev: 12 }));
    recorder.up({ t: 'join', cid: CID, rev: 11 });
    recorder.down(joined(9, 12));
    recorder.down(message(9, 'nine', { rev: 12 }));
  });
  expect(events.filter(({ ev }) => ev === 'joined')).toMatchObject([{ head: 7 }, { head: 9, since: 8 }]);
  expect(checkEvents(events, { foreignWriters: true }).anomalies).toEqual([]);
});

test('what a connection that ended left open is unknown', () => {
  const events = record((recorder) => {
    recorder.dialed('n1');
    for (const mid of ['m-a', 'm-b', 'm-c']) recorder.up({ t: 'send', cid: CID, mid, kind: 'text', body: body(mid) });
    recorder.down(ack('m-a', 1, 'saved'));
    recorder.down({ t: 'error', code: 'server_busy', msg: '', ref: { t: 'send', cid: CID, mid: 'm-b' } });
    recorder.closed();
  });
  expect(events.flatMap((event) => (event.ev === 'invoke' || !('mid' in event) ? [] : [`${event.ev} ${event.mid}`]))).toEqual([
    'ok m-a',
    'fail m-b',
    'info m-c',
  ]);
});
