import type { AcceptLog } from '@gapless/core';
import { epochCases } from './accept-log-epochs.ts';
import { openingCases } from './accept-log-openings.ts';
import { acceptCases } from './accept-log-sends.ts';
import { shardCases } from './accept-log-shards.ts';
import { contract, type Skip } from './contract.ts';

/** How a log is opened for the suite. */
export const ACCEPT_CONTRACT = { shards: 3, backlogMax: 3_000, memory: { mids: 1_000, ms: 0 } } as const;

/** A fresh log, and two nodes that work on it. */
export interface AcceptLogs {
  readonly one: AcceptLog;
  readonly two: AcceptLog;
  readonly backlogMax: number;
  close(): Promise<void>;
}

/** What every AcceptLog must do. `open`, as ACCEPT_CONTRACT says, or why it does not run here. */
export function acceptLogContract(name: string, open: (() => Promise<AcceptLogs>) | string, skip: readonly Skip[] = []): void {
  const cases = { ...epochCases, ...openingCases, ...acceptCases, ...shardCases };
  if (typeof open === 'string') {
    const skips = Object.keys(cases).map((test) => ({ test, reason: open }));
    return contract<AcceptLogs>(`AcceptLog / ${name}`, () => Promise.reject(new Error(open)), skips, cases);
  }
  contract(`AcceptLog / ${name}`, open, skip, cases);
}
