import { systemClock } from '@gapless/kit';
import { presenceContract, skipCluster } from '@gapless/testkit/contract';
import { openMemoryPresence } from './index.ts';

async function open() {
  const presence = openMemoryPresence({ clock: systemClock, graceMs: 50 });
  return { nodes: [presence], close: () => presence.close() };
}

presenceContract('memory', open, skipCluster('presence of one process has no other nodes'));
