import type { LogEntry, MessageRecord } from './model.ts';
import { renderMessage } from './render.ts';

/** Consecutive rows of a conversation as frames for clients, to be copied to the wire as they are. */
export interface ReplayPage {
  /** The frames as JSON in UTF-8, with commas between them. */
  readonly bytes: Uint8Array;
  /** Where each ends in `bytes`. */
  readonly ends: Uint32Array;
  /** The rev of each. */
  readonly revs: Float64Array;
  /** Who was removed by which of them. */
  readonly removals: readonly { readonly rev: number; readonly users: readonly string[] }[];
}

/** A log row as the frame that clients get, live and on replay. */
export function renderEntry(entry: LogEntry): string {
  if (entry.op === 'message') return renderMessage(entry.message, true);
  const { cid, rev, by, at, detail } = entry;
  const { op, ...rest } = detail;
  return JSON.stringify({ t: 'change', cid, rev, op, by, at, ...rest });
}

/** As many of the entries as fit into `maxBytes`, and at least one. */
export function replayOf(entries: readonly LogEntry[], maxBytes: number): ReplayPage {
  const page = pageOf(entries, renderEntry, maxBytes);
  const removals = entries
    .slice(0, page.ends.length)
    .flatMap((entry) =>
      entry.op === 'change' && entry.detail.op === 'participants_removed' ? [{ rev: entry.rev, users: entry.detail.users }] : [],
    );
  return { ...page, removals };
}

export function replayOfMessages(messages: readonly MessageRecord[], maxBytes: number): ReplayPage {
  return { ...pageOf(messages, (message) => renderMessage(message, true), maxBytes), removals: [] };
}

const utf8 = new TextEncoder();

function pageOf<T extends { readonly rev: number }>(rows: readonly T[], render: (row: T) => string, maxBytes: number) {
  const frames: string[] = [];
  const ends: number[] = [];
  let end = -1;
  for (const row of rows) {
    const frame = render(row);
    end += 1 + Buffer.byteLength(frame);
    if (frames.length > 0 && end > maxBytes) break;
    frames.push(frame);
    ends.push(end);
  }
  return {
    bytes: utf8.encode(frames.join(',')),
    ends: Uint32Array.from(ends),
    revs: Float64Array.from(frames, (_, i) => rows[i]!.rev),
  };
}
