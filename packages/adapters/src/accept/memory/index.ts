import { MEMORY } from '../rules.ts';
import { type MemoryAcceptOptions, MemoryAcceptServer } from './server.ts';

export type { AcceptFault, AcceptSnapshot, MemoryAcceptOptions, MemoryAcceptServer } from './server.ts';

const SHARDS = 4;
const BACKLOG_MAX = 100_000;

/**
 * An accept log in this process, for tests, the simulation, and a server that is alone: `connect` once for each node. It does everything
 * at once and in the order of the calls, and takes its time from the clock alone.
 */
export function openMemoryAcceptLog(options: MemoryAcceptOptions): MemoryAcceptServer {
  const { clock, shards = SHARDS, backlogMax = BACKLOG_MAX, memory = MEMORY } = options;
  return new MemoryAcceptServer({ clock, shards, limits: { backlogMax, memory } });
}
