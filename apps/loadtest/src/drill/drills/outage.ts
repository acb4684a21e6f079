import { setTimeout as sleep } from 'node:timers/promises';
import type { RunningService } from '@gapless/launch';
import type { Stage } from '../stage.ts';

/** Long enough for every timeout on the way to pass, short enough for clients to wait. */
const OUTAGE_MS = 10_000;

/** Stops a service in an orderly way and starts it again, with its data. */
export async function outage(stage: Stage, service: RunningService, name: string): Promise<void> {
  stage.log(`${name} is stopped for ${OUTAGE_MS / 1_000} s`);
  await service.stop();
  await sleep(OUTAGE_MS);
  await service.start();
  stage.healed();
  stage.log(`${name} is back`);
}
