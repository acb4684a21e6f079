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

export function replayOf(entries: readonly LogEntry[]): ReplayPage {
  const removals = entries.flatMap((entry) =>
    entry.op === 'change' && entry.detail.op === 'participants_removed' ? [{ rev: entry.rev, users: entry.detail.users }] : [],
  );
  return pageOf(
    entries.map(renderEntry),
    Float64Array.from(entries, ({ rev }) => rev),
    removals,
  );
}

export function replayOfMessages(messages: readonly MessageRecord[]): ReplayPage {
  return pageOf(
    messages.map((message) => renderMessage(message, true)),
    Float64Array.from(messages, ({ rev }) => rev),
    [],
  );
}

const utf8 = new TextEncoder();

function pageOf(frames: readonly string[], revs: Float64Array, removals: ReplayPage['removals']): ReplayPage {
  const ends = new Uint32Array(frames.length);
  let end = -1;
  for (let i = 0; i < frames.length; i++) {
    end += 1 + Buffer.byteLength(frames[i]!);
    ends[i] = end;
  }
  return { bytes: utf8.encode(frames.join(',')), ends, revs, removals };
}
