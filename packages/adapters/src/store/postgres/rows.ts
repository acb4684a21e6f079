import type { LogEntry } from '@gapless/core';
import { type ChangeRow, toMessage } from '../rows.ts';
import { read } from './text.ts';

export function toEntry(cid: string, row: ChangeRow): LogEntry {
  if (row.op === 'message') return { op: 'message', cid, rev: row.rev, message: toMessage(cid, row) };
  return { op: 'change', cid, rev: row.rev, by: row.actor, at: row.at, detail: { op: row.op, ...fromPayload(row.payload) } as never };
}

/** Texts within a payload are stored as those in columns are: it may have been put together by Postgres. */
function fromPayload(payload: string | null): object {
  return JSON.parse(payload ?? '{}', (_, value: unknown) => (typeof value === 'string' ? read(value) : value)) as object;
}
