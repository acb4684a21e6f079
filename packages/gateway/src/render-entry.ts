import { type LogEntry, renderMessage } from '@gapless/core';
import { Frame } from './frame.ts';

/** A log row as the frame that clients get, live and on replay. */
export function renderEntry(entry: LogEntry): Frame {
  if (entry.op === 'message') return new Frame(renderMessage(entry.message, true));
  const { cid, rev, by, at, detail } = entry;
  const { op, ...rest } = detail;
  return Frame.of({ t: 'change', cid, rev, op, by, at, ...rest });
}
