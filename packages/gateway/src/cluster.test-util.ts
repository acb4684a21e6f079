import { MemoryBus, openMemoryBroker } from '@gapless/adapters/broker/memory';
import { openMemoryStore } from '@gapless/adapters/store/memory';
import type { Broker, BrokerWatch, Store } from '@gapless/core';
import { FakeClock } from '@gapless/testkit';
import { type FakeClient, startGateway } from './harness.test-util.ts';

export type Node = Awaited<ReturnType<typeof startGateway>> & { readonly line: Line };

/** A node's own connection to the bus, which breaks apart from those of the others. */
export class Line {
  away = false;
  /** Loses a publication without a word. */
  loses: (payload: string) => boolean = () => false;
  readonly broker: Broker;
  readonly #watches = new Set<BrokerWatch>();

  constructor(bus: MemoryBus) {
    const broker = openMemoryBroker({ bus });
    this.broker = {
      ...broker,
      publish: async (topic, payload) => {
        if (this.away) throw new Error('the line is away');
        if (!this.loses(payload)) await broker.publish(topic, payload);
      },
      subscribe: (topic, listener) => broker.subscribe(topic, (payload) => this.away || listener(payload)),
      watch: (watch) => {
        this.#watches.add(watch);
        const stop = broker.watch(watch);
        return () => {
          this.#watches.delete(watch);
          stop();
        };
      },
    };
  }

  break(): void {
    this.away = true;
  }

  mend(): void {
    if (!this.away) return;
    this.away = false;
    for (const watch of this.#watches) watch.restored?.();
  }
}

export interface ClusterOptions {
  singleSession?: boolean;
  /** The store as a node sees it. */
  storeOf?: (node: number, store: Store) => Store;
}

/** Nodes on one memory store, started one second after the other. */
export async function startCluster(count: number, { singleSession = false, storeOf = (_node, store) => store }: ClusterOptions = {}) {
  const clock = new FakeClock();
  const store = openMemoryStore();
  const bus = new MemoryBus();
  const nodes: Node[] = [];

  async function add(): Promise<Node> {
    const line = new Line(bus);
    const i = nodes.length;
    const node = await startGateway({ clock, store: storeOf(i, store), broker: line.broker, node: `n${i}`, singleSession });
    nodes.push({ ...node, line });
    await clock.advance(1_000);
    return nodes[i]!;
  }

  for (let i = 0; i < count; i++) await add();
  return { clock, store, bus, nodes, add };
}

export async function joined(node: Node, uid: string, cid: string): Promise<FakeClient> {
  const client = await node.connect(uid);
  await client.send({ t: 'join', cid });
  return client;
}

export const send = (cid: string, mid: string, text = mid) => ({ t: 'send', cid, mid, kind: 'text', body: { text } });
