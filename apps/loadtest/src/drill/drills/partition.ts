import { setTimeout as sleep } from 'node:timers/promises';
import type { RunningPostgres } from '@gapless/launch';
import type { Drill, DrillContext, DrillResult } from '../drill.ts';
import { type Cable, layCable } from '../means/cable.ts';
import { missingForCell, runInCell } from '../means/cell.ts';
import { converged } from '../means/convergence.ts';
import { type Direction, type Fence, openFence, type Peer, tryFence } from '../means/fence.ts';
import { type Namespace, openNamespace } from '../means/namespace.ts';
import { inWords, missingAbility } from '../means/tools.ts';
import { missing as missingServices, OPEN_TO_NODES, openPostgres, openRedis } from '../services.ts';
import { perform, type Stage } from '../stage.ts';

const NODES = 3;
/** Longer than nodes take to miss each other (5 s), and a broker (3 s). */
const CUT_MS = 8_000;
/** Longer than clients wait for a sign of life (35 s at most): then they go to another node. */
const CUT_FROM_CLIENTS_MS = 45_000;

type Side = 'broker' | 'store' | 'clients';

interface Partition {
  /** The node that is cut off; the others have to get along without it. */
  readonly node: number;
  readonly from: readonly Side[];
  readonly direction: Direction;
}

const PARTITIONS: readonly Partition[] = [
  { node: 1, from: ['broker'], direction: 'both' },
  { node: 1, from: ['store'], direction: 'both' },
  { node: 1, from: ['broker', 'store'], direction: 'both' },
  { node: 1, from: ['broker'], direction: 'in' },
  { node: 1, from: ['broker'], direction: 'out' },
  { node: 1, from: ['store'], direction: 'in' },
  { node: 1, from: ['store'], direction: 'out' },
  // Half open: one side still hears the other, and is not heard. The clients go to the next node, and are cut off there.
  { node: 1, from: ['clients'], direction: 'in' },
  { node: 2, from: ['clients'], direction: 'out' },
];

export const partition: Drill = {
  name: 'partition',
  what: 'One of three nodes is cut off from the broker, the store, both, or its clients, also in one direction only, and comes back.',
  async missing() {
    const tools = missingForCell('nsenter', 'nft');
    return (
      inWords(tools.length > 0 ? tools : missingAbility('rules of nftables', tryFence)) ?? (await missingServices('postgres', 'redis'))
    );
  },
  run: (context) => runInCell(import.meta.url, context),
};

export async function inside(context: DrillContext): Promise<DrillResult> {
  const postgres = await openPostgres(context, { settings: { listen_addresses: '0.0.0.0' } });
  await trustNodes(postgres);
  const redis = await openRedis(context, OPEN_TO_NODES);
  const database = await postgres.createDatabase();
  const places = await Promise.all(Array.from({ length: NODES }, (_, n) => openPlace(n)));
  return perform(context, {
    cluster: {
      nodes: NODES,
      store: database,
      broker: redis.url,
      node(n) {
        const { namespace, cable } = places[n]!;
        const settings = { store: at(database, cable.here), broker: at(redis.url, cable.here) };
        return { prefix: namespace.prefix, host: cable.there, settings };
      },
    },
    async fault(stage) {
      const fences = places.map(({ namespace, cable }) => openFence(namespace, cable));
      const peerOf = (side: Side, node: number): Peer => {
        if (side === 'clients') return { ownPort: stage.cluster.nodes[node]!.port };
        return { address: places[node]!.cable.here, port: side === 'broker' ? redis.port : postgres.port };
      };
      for (const cut of PARTITIONS) {
        const peers = cut.from.map((side) => peerOf(side, cut.node));
        await cutOff(stage, fences[cut.node]!, { ...cut, peers });
      }
    },
  });
}

/** Where a node is: a network of its own, with a cable to all others. */
async function openPlace(n: number): Promise<{ namespace: Namespace; cable: Cable }> {
  const namespace = await openNamespace();
  return { namespace, cable: layCable(namespace, n) };
}

/** By itself it trusts nobody but its own machine. */
async function trustNodes(postgres: RunningPostgres): Promise<void> {
  const [file] = await postgres.query('show hba_file');
  const rules = ['127.0.0.1/32', '10.77.0.0/16'].map((network) => `'host all all ${network} trust'`);
  await postgres.query(`copy (select unnest(array[${rules.join(', ')}])) to '${file!.hba_file}'`);
  await postgres.query('select pg_reload_conf()');
}

/** The same service, as it is reached at another address. */
function at(url: string, address: string): string {
  const moved = new URL(url);
  moved.hostname = address;
  return moved.href;
}

async function cutOff(stage: Stage, fence: Fence, { peers, node, from, direction }: Partition & { peers: readonly Peer[] }): Promise<void> {
  const name = `node ${node} cut off from ${from.join(' and ')}${direction === 'both' ? '' : `, ${direction} only`}`;
  fence.cut(peers, direction);
  stage.log(name);
  await sleep(from.includes('clients') ? CUT_FROM_CLIENTS_MS : CUT_MS);
  const dropped = fence.heal();
  for (const [i, side] of from.entries())
    if (dropped[i] === 0) stage.broken(`${name}: no packet from or to the ${side} was dropped, the drill shows nothing`);
  stage.note(`${name}: ${dropped.join(' and ')} packets dropped; healed: ${await converged(stage)}`);
}
