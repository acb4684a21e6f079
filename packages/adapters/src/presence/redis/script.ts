import { readFileSync } from 'node:fs';
import { type CommandParser, defineScript } from '@redis/client';
import type { Step } from './registry.ts';

/** One hash tag, so one slot: a script may use them together on a Redis Cluster too. */
export const KEYS = {
  leases: '{gapless:presence}:leases',
  counts: '{gapless:presence}:counts',
  seen: '{gapless:presence}:seen',
  meta: '{gapless:presence}:meta',
  told: '{gapless:presence}:told',
} as const;

/** Changes go to every node here. */
export const CHANNEL = 'gapless:presence';

/** Without it the last seen of everyone who ever came would be kept. */
const SEEN_KEPT_MS = 30 * 24 * 60 * 60 * 1000;

/** A node that was cut off for longer has not heard everything. */
const TOLD_KEPT_MS = 5 * 60 * 1000;

/** Leases ended in one step: when a node with thousands of users dies, Redis is free for others in between. */
const SWEEP_MAX = 500;

export interface StepArguments {
  node: string;
  leaseMs: number;
  graceMs: number;
  steps: readonly Step[];
}

/** `sync.lua`; gives the epoch of the data in Redis, and whether more leases are over than it ended. */
export const syncScript = defineScript({
  SCRIPT: readFileSync(new URL('./sync.lua', import.meta.url), 'utf8'),
  NUMBER_OF_KEYS: 5,
  IS_READ_ONLY: false,
  parseCommand(parser: CommandParser, { node, leaseMs, graceMs, steps }: StepArguments) {
    parser.pushKeys([KEYS.leases, KEYS.counts, KEYS.seen, KEYS.meta, KEYS.told]);
    parser.push(node, `${leaseMs}`, `${graceMs}`, `${SEEN_KEPT_MS}`, `${TOLD_KEPT_MS}`, `${SWEEP_MAX}`, CHANNEL);
    for (const { uid, mode, left } of steps) parser.push(uid, mode, left ? '1' : '0');
  },
  transformReply: (reply: unknown) => {
    const [epoch, more] = reply as [string, number];
    return { epoch, more: more === 1 };
  },
});
