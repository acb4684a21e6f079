import { setTimeout as sleep } from 'node:timers/promises';
import type { Drill, DrillContext, DrillResult } from '../drill.ts';
import { layCable } from '../means/cable.ts';
import { missingForCell, runInCell } from '../means/cell.ts';
import { converged } from '../means/convergence.ts';
import { type Link, openLink, tryTun } from '../means/link/link.ts';
import { BAD_NETWORKS, CLEAN, type LinkProfile } from '../means/link/profile.ts';
import type { LinkCounts } from '../means/link/shaper.ts';
import { type Namespace, openNamespace } from '../means/namespace.ts';
import { inWords, missingAbility } from '../means/tools.ts';
import { OPEN_TO_NODES, openRedis } from '../services.ts';
import { perform, type Stage } from '../stage.ts';

const CLIENTS = '10.88.0.1';
const SERVER = '10.88.0.2';
/** Of each network: longer than a bare client waits for a sign of life. */
const BAD_MS = 20_000;

export const badNetwork: Drill = {
  name: 'bad-network',
  what: 'Clients reach their server over networks that lose, delay, reorder and repeat packets, down to 2G: all end with the same view.',
  async missing() {
    const missing = missingForCell('nsenter', 'python3');
    return inWords(missing.length > 0 ? missing : missingAbility('TUN devices', tryTun));
  },
  run: (context) => runInCell(import.meta.url, context),
};

export async function inside(context: DrillContext): Promise<DrillResult> {
  const server = await openNamespace();
  const ends = { left: [], right: server.prefix, leftAddress: CLIENTS, rightAddress: SERVER };
  const link = await openLink({ ...ends, seed: context.options.seed });
  const settings = context.options.twoPhase === 'on' ? { 'two-phase-redis': await openRedisFor(context, server) } : {};
  return perform(context, {
    cluster: { nodes: 1, store: 'sqlite', broker: 'memory', settings, node: () => ({ prefix: server.prefix, host: SERVER }) },
    async fault(stage) {
      for (const [name, profile] of Object.entries(BAD_NETWORKS)) await endure(stage, link, { name, profile });
    },
  });
}

/** The accept log is beside the server: its network is a good one. */
async function openRedisFor(context: DrillContext, server: Namespace): Promise<string> {
  const { here } = layCable(server, 0);
  const { port } = await openRedis(context, OPEN_TO_NODES);
  return `redis://${here}:${port}`;
}

async function endure(stage: Stage, link: Link, { name, profile }: { name: string; profile: LinkProfile }): Promise<void> {
  const before = await link.counts();
  await link.set({ up: profile, down: profile });
  stage.log(`the network is ${name}`);
  await sleep(BAD_MS);
  const { up, down } = await link.counts();
  await link.set({ up: CLEAN, down: CLEAN });
  for (const [way, from, to] of [
    ['up', before.up, up],
    ['down', before.down, down],
  ] as const)
    if (!wasBad(profile, from, to)) stage.broken(`${name}: ${fate(from, to)} ${way}: the drill shows nothing`);
  stage.note(`${name}: ${fate(before.up, up)} up, ${fate(before.down, down)} down; healed: ${await converged(stage)}`);
}

/** Packets came, and where some must be lost, some were. */
function wasBad({ loss }: LinkProfile, before: LinkCounts, after: LinkCounts): boolean {
  return after.packets > before.packets && (loss === 0 || after.lost > before.lost);
}

/** What became of the packets between two looks. */
function fate(before: LinkCounts, after: LinkCounts): string {
  const counted = (name: keyof LinkCounts) => after[name] - before[name];
  const kinds = (['lost', 'duplicated', 'overtaking', 'dropped'] as const).filter((kind) => counted(kind) > 0);
  return [`${counted('packets')} packets`, ...kinds.map((kind) => `${counted(kind)} ${kind}`)].join(', ');
}
