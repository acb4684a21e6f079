import { openMemoryStore } from '@gapless/adapters/store/memory';
import type { TwoPhaseRules } from '@gapless/core';
import type { HistoryEvent } from '@gapless/loadtest';
import { SimAcceptLog } from './accept.ts';
import { SimBroker } from './broker.ts';
import { Device } from './device.ts';
import { harm } from './faults.ts';
import type { Line } from './line.ts';
import { Network } from './network.ts';
import { ServerNode } from './node.ts';
import { type Plan, planOf } from './plan.ts';
import { NO_PLANT, type Plant } from './plants.ts';
import { Random } from './random.ts';
import { SimStore } from './store.ts';
import { operate } from './workload.ts';
import { type SimProcess, World } from './world.ts';

/** Where a node runs, one life after the other. */
export interface Place {
  readonly name: string;
  node: ServerNode | undefined;
  lives: number;
  starting: boolean;
  skewMs: number;
}

/** A started node takes connections after so long. */
const START_MS = 200;

export interface SimulationOptions {
  readonly plant?: Plant | undefined;
  /** Keeps what happens, line by line. */
  readonly traced?: boolean | undefined;
  /** In every world that could have an accept log, or in none. */
  readonly twoPhase?: boolean | undefined;
}

/** Everything of one seed: the world, what runs in it, and what happens to it. */
export class Simulation {
  readonly plan: Plan;
  readonly world: World;
  readonly store: SimStore;
  readonly broker: SimBroker;
  readonly network: Network;
  readonly accept: SimAcceptLog | undefined;
  /** As last set; each node hears of it in its time. */
  rules: TwoPhaseRules | undefined;
  readonly #rulesOf = new Map<SimProcess, { -readonly [K in keyof TwoPhaseRules]: TwoPhaseRules[K] }>();
  readonly places: Place[];
  /** Of all nodes that ever were. */
  readonly nodeProcesses: SimProcess[] = [];
  readonly devices: Device[] = [];
  readonly uids: readonly string[];
  readonly cids: string[] = [];
  readonly events: HistoryEvent[] = [];
  /** What was found wrong on the way. */
  readonly problems: string[] = [];
  /** Ends what goes wrong now. */
  readonly cures: (() => void)[] = [];
  readonly #random: Random;
  readonly #plant: Plant;
  #healed = false;

  constructor(seed: number, { plant = NO_PLANT, traced = false, twoPhase }: SimulationOptions = {}) {
    this.#random = new Random(seed);
    this.#plant = plant;
    const drawn = planOf(this.#random.fork('plan'), { twoPhase });
    const plan = plant.plan?.(drawn) ?? drawn;
    this.plan = plan;
    this.world = new World(this.#random.fork('world'), { traced });
    const { world } = this;
    const state = { ...plan.store, commitMs: 0, failBefore: 0, failAfter: 0, away: 'no' as const };
    const memory = openMemoryStore({ clock: world.clockOf(world.outside) });
    this.store = new SimStore(world, plant.memory?.(memory) ?? memory, { state, lanes: plan.lanes });
    this.broker = new SimBroker(world, { ...plan.broker, away: false });
    this.network = new Network(world, { ...plan.network, slowness: 1 }, () => this.#balance());
    this.rules = plan.twoPhase?.rules;
    this.accept = plan.twoPhase && new SimAcceptLog(world, plan.twoPhase);
    if (this.accept !== undefined) plant.accept?.(this.accept);
    plant.network?.(this.network, world.random.fork('plant'));
    const skew = this.#random.fork('skew');
    const skewOf = () => Math.round((skew.next() * 2 - 1) * plan.skewMaxMs);
    this.places = Array.from({ length: plan.nodes }, (_, i) => ({
      name: `n${i + 1}`,
      node: undefined,
      lives: 0,
      starting: false,
      skewMs: skewOf(),
    }));
    this.uids = Array.from({ length: plan.users }, (_, i) => `u${i + 1}`);
    for (const uid of this.uids) {
      for (let n = 1; n <= plan.devicesPerUser; n++) {
        const { tokenMs, sendWindow } = plan;
        const { network, events, problems } = this;
        const readBy = (of: string, cid: string) => this.store.reads.get(`${cid} ${of}`) ?? 0;
        const device = new Device({ world, network, uid, name: `${uid}d${n}`, events, problems, readBy, tokenMs, sendWindow });
        device.skewMs = skewOf();
        this.devices.push(device);
      }
    }
  }

  get liveNodes(): ServerNode[] {
    return this.places.flatMap(({ node }) => (node?.process.alive ? [node] : []));
  }

  /** Conversations, nodes, devices; then what happens to them until `busyMs`. */
  async begin(): Promise<void> {
    const { plan, world } = this;
    await this.#createConversations();
    for (const place of this.places) this.startNode(place);
    const random = this.#random.fork('begin');
    for (const device of this.devices) {
      for (const cid of this.cids) if (random.chance(0.7)) device.opened.add(cid);
      world.in(world.outside, START_MS + random.between(0, 2_000), () => this.startDevice(device));
    }
    const operations = this.#random.fork('operations');
    for (let i = 0; i < plan.operations; i++)
      world.in(world.outside, START_MS + operations.next() * plan.busyMs, () => operate(this, operations));
    const faults = this.#random.fork('faults');
    for (let i = 0; i < plan.faultCount; i++) world.in(world.outside, START_MS + faults.next() * plan.busyMs, () => harm(this, faults));
  }

  async #createConversations(): Promise<void> {
    const random = this.#random.fork('conversations');
    const { memory } = this.store;
    for (let i = 0; i < this.plan.conversations; i++) {
      const members = random.shuffled(this.uids).slice(0, random.between(2, this.uids.length));
      const kind = members.length === 2 && random.chance(0.5) ? 'dm' : 'group';
      const participants = members.map((uid, at) => ({
        uid,
        role: at === 0 && kind === 'group' ? ('owner' as const) : ('member' as const),
      }));
      const cid = `c${i + 1}`;
      const [outcome] = await memory.commit([{ op: 'create', cid, kind, by: members[0]!, at: 1, participants, createUsers: true }]);
      if (outcome?.ok && outcome.op === 'create') this.knows(outcome.cid);
    }
    for (const uid of this.uids) await memory.ensureUser({ uid, at: 1 });
  }

  /** Settings change while all runs. Whether one of them is another one now. */
  setRules(changes: Partial<TwoPhaseRules>): boolean {
    const before = this.rules;
    if (before === undefined) return false;
    this.rules = { ...before, ...changes };
    for (const [process, rules] of this.#rulesOf)
      this.world.in(process, this.world.random.skewed(0, 500), () => void Object.assign(rules, changes));
    return Object.entries(changes).some(([name, value]) => before[name as keyof TwoPhaseRules] !== value);
  }

  knows(cid: string): void {
    if (!this.cids.includes(cid)) this.cids.push(cid);
  }

  startNode(place: Place): void {
    if (place.starting || place.node?.process.alive) return;
    place.starting = true;
    const { world, plan } = this;
    const process = world.spawn(`${place.name}.${++place.lives}`, { skewMs: place.skewMs });
    this.nodeProcesses.push(process);
    world.in(process, START_MS / 2, () => {
      world.note(() => 'starts');
      const { shared } = plan;
      const rules = this.rules && { ...this.rules };
      if (rules !== undefined) this.#rulesOf.set(process, rules);
      const store = this.store.of(process, { shared });
      const node = new ServerNode({
        world,
        process,
        store: this.#plant.view?.(store, this.store.memory) ?? store,
        limits: plan.limits,
        ...(rules === undefined ? {} : { twoPhase: { accept: this.accept!.of(process), rules } }),
        ...(shared ? { broker: this.broker.of(process), alone: plan.nodes === 1 } : {}),
      });
      void node.start().then(() => {
        place.node = node;
        place.starting = false;
      });
    });
  }

  /** At once, with all that it had in memory. Its connections may hang for long. */
  killNode(place: Place): void {
    const { node } = place;
    if (node === undefined) return;
    this.world.kill(node.process);
    this.world.note(() => `${node.process.name} is killed`);
    this.world.count('nodes killed');
    if (!this.plan.shared) this.store.died(node.process);
    const silent = this.world.random.chance(0.2);
    for (const line of this.#linesOf(node)) line.cut(silent ? 'nobody' : 'client');
  }

  /** What it has to do waits, and keeps its order. */
  pause(process: SimProcess, ms: number): void {
    process.pausedUntil = Math.max(process.pausedUntil, this.world.now + ms);
    process.stoodStillMs += ms;
  }

  stopNode(place: Place, spreadMs: number): void {
    const { node } = place;
    if (node === undefined) return;
    const { world } = this;
    const gone = () => {
      if (!node.process.alive) return;
      world.in(world.outside, 0, () => {
        world.kill(node.process);
        for (const line of this.#linesOf(node)) line.cut('client');
        world.in(world.outside, START_MS, () => this.startNode(place));
      });
    };
    world.in(node.process, 0, () => void node.stop(spreadMs).then(gone));
  }

  startDevice(device: Device): void {
    if (!device.running) device.start();
  }

  killDevice(device: Device, told: boolean): void {
    device.kill();
    for (const line of this.network.linesOf(({ reader }) => reader === device)) line.cut(told ? 'server' : 'nobody');
  }

  /** Nothing goes wrong from here on, and all who were away come back. */
  heal(): void {
    this.#healed = true;
    const { world, store, broker, network, plan } = this;
    world.note(() => 'all is healed');
    for (const cure of this.cures.splice(0)) cure();
    Object.assign(store.state, { away: 'no', commitMs: 0, failBefore: 0, failAfter: 0 });
    Object.assign(broker.state, { lost: 0, twice: 0, reorders: false });
    broker.heal();
    this.accept?.heal();
    Object.assign(network.state, { slowness: 1, maxMs: Math.min(plan.network.maxMs, 50) });
    for (const place of this.places) this.startNode(place);
    for (const device of this.devices) {
      device.offline = false;
      device.bytesPerMs = Number.POSITIVE_INFINITY;
      this.startDevice(device);
    }
  }

  get healed(): boolean {
    return this.#healed;
  }

  #linesOf(node: ServerNode): Line[] {
    return this.network.linesOf((line) => line.node === node);
  }

  /** Any that takes connections; at times one that died a moment ago and is still in the list. */
  #balance(): ServerNode | undefined {
    const { random } = this.network;
    const started = this.places.flatMap(({ node }) => node ?? []);
    const ready = started.filter(({ process, draining }) => process.alive && !draining);
    return ready.length === 0 || (!this.#healed && random.chance(0.02)) ? random.pick(started) : random.pick(ready);
  }
}
