import { type CloudEvent, type EventBus, type FeedRow, type LogEntry, renderMessage } from '@gapless/core';
import { unreachable } from '@gapless/kit';
import type { Consumer } from './relay.ts';

/** Enough for the bus to work in bulk; with the largest bodies some 13 MB. */
const BATCH_ROWS = 200;

/** Digits of the largest rev there can be, and more: as text they sort as the numbers do. */
const SEQUENCE_DIGITS = 20;

/** Publishes the log on the bus. `source`: who this is to the readers of the bus, a URI; the same on all nodes and for ever. */
export function busConsumer(bus: EventBus, source: string): Consumer {
  return {
    name: 'bus',
    batchMax: BATCH_ROWS,
    handle: (rows) => bus.publish(rows.map((row) => toCloudEvent(row, source))),
  };
}

/** The same row is always the same event: its id is its place in the conversation. */
export function toCloudEvent({ entry, at }: FeedRow, source: string): CloudEvent {
  const { cid, rev } = entry;
  return {
    specversion: '1.0',
    id: `${cid}:${rev}`,
    source,
    ...contentOf(entry),
    subject: cid,
    time: new Date(at).toISOString(),
    datacontenttype: 'application/json',
    partitionkey: cid,
    sequence: String(rev).padStart(SEQUENCE_DIGITS, '0'),
  };
}

function contentOf(entry: LogEntry): { type: string; data: unknown } {
  if (entry.op === 'message') return { type: 'message.created', data: JSON.parse(renderMessage(entry.message)) };
  const { cid, rev, by, at, detail } = entry;
  const { op, ...rest } = detail;
  return { type: typeOf(op), data: { cid, rev, by, at, ...rest } };
}

function typeOf(op: (LogEntry & { op: 'change' })['detail']['op']): string {
  switch (op) {
    case 'created':
      return 'conversation.created';
    case 'settings':
      return 'conversation.updated';
    case 'participants_added':
      return 'member.added';
    case 'participants_removed':
      return 'member.removed';
    case 'lost':
      return 'message.lost';
    default:
      return unreachable(op);
  }
}
