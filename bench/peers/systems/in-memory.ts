import { join } from 'node:path';
import { startChild } from '../../lib/child.ts';
import type { Ready } from '../servers/ready.ts';
import { openTargets } from './rooms.ts';
import type { System } from './system.ts';

const NOTHING_STORED = 'none';

export const socketIo: System = {
  name: 'Socket.IO',
  dialect: 'socketIo',
  durability: NOTHING_STORED,
  remarks: 'WebSocket only, no compression, no recovery, no acks, no accounts: io.to(room).emit; one write for each message and socket',
  ceiling: 'sink',
  start: (layout) => start('socket-io.ts', layout),
};

export const wsRelay: System = {
  name: 'ws relay',
  dialect: 'plain',
  durability: NOTHING_STORED,
  remarks: 'no compression; nothing is numbered, answered or checked; one write for each message and socket',
  ceiling: 'sink',
  start: (layout) => start('ws-relay.ts', layout),
};

export const sink: System = {
  name: 'sink',
  dialect: 'plain',
  durability: NOTHING_STORED,
  remarks: 'no server: one write for each message and socket, the most that Node, kernel and generator do here',
  start: (layout) => start('sink.ts', layout),
};

const MERGE_MS = 10;

export const mergingSink: System = {
  name: 'sink, merged writes',
  dialect: 'plain',
  durability: NOTHING_STORED,
  remarks: `no server: all that came in ${MERGE_MS} ms in one write`,
  start: (layout) => start('sink.ts', layout, [String(MERGE_MS)]),
};

async function start(file: string, layout: Parameters<System['start']>[0], args: readonly string[] = []) {
  const { ready, cpuSec, stop } = await startChild<Ready>(join(import.meta.dirname, '../servers', file), args);
  return { version: ready.version, targets: openTargets(layout, ready.port), cpuSec, stop };
}
