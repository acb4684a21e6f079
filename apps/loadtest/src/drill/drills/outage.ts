import { setTimeout as sleep } from 'node:timers/promises';
import type { RunningService } from '@gapless/launch';
import type { Stage } from '../stage.ts';
import type { AckCounts } from '../workload/acks.ts';

/** Long enough for every timeout on the way to pass, short enough for clients to wait. */
const OUTAGE_MS = 10_000;
/** What was done before is heard of by then. */
export const HEARD_MS = 500;

/** What clients had been told when a service had just gone, in the middle of the outage, and right before its end. */
export interface OutageAcks {
  readonly first: AckCounts;
  readonly middle: AckCounts;
  readonly last: AckCounts;
}

/** Stops a service in an orderly way, and waits. */
export async function takeAway({ log, crowd: { acks } }: Stage, service: RunningService, name: string): Promise<OutageAcks> {
  log(`${name} is stopped for ${OUTAGE_MS / 1_000} s`);
  await service.stop();
  await sleep(HEARD_MS);
  const first = acks.counts;
  await sleep(OUTAGE_MS / 2 - HEARD_MS);
  const middle = acks.counts;
  await sleep(OUTAGE_MS / 2);
  return { first, middle, last: acks.counts };
}

/** Starts it again, with its data. */
export async function bringBack({ log, healed }: Stage, service: RunningService, name: string): Promise<void> {
  await service.start();
  healed();
  log(`${name} is back`);
}
