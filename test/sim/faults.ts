import type { Cut } from './network.ts';
import type { Random } from './random.ts';
import type { Simulation } from './simulation.ts';

export interface Fault {
  /** Whether it can happen there. */
  fits(world: { shared: boolean; nodes: number; twoPhase: boolean }): boolean;
  /** Begins it. What it gives ends it, after some time; nothing where it ends by itself. */
  begin(sim: Simulation, random: Random): (() => void) | undefined;
  /** How long it lasts. */
  readonly ms: readonly [number, number];
}

const always = () => true;
const among = ({ nodes }: { nodes: number }) => nodes > 1;

const twoPhase = (world: { twoPhase: boolean }) => world.twoPhase;

const CUTS: readonly Cut[] = ['both', 'both', 'client', 'server', 'nobody'];

export const FAULTS = {
  'node killed': {
    fits: always,
    ms: [50, 8_000],
    begin(sim, random) {
      const place = random.pick(sim.places.filter(({ node }) => node?.process.alive))!;
      if (place === undefined) return undefined;
      sim.killNode(place);
      return () => sim.startNode(place);
    },
  },
  'node stopped in good order': {
    fits: always,
    ms: [100, 4_000],
    begin(sim, random) {
      const place = random.pick(sim.places.filter(({ node }) => node?.process.alive && !node.draining));
      if (place === undefined) return undefined;
      sim.stopNode(place, random.between(0, 1_000));
      return undefined;
    },
  },
  'node stands still': {
    fits: always,
    ms: [200, 9_000],
    begin(sim, random) {
      const process = random.pick(sim.liveNodes)?.process;
      if (process !== undefined) sim.pause(process, random.between(200, 9_000));
      return undefined;
    },
  },
  'broker loses': {
    fits: among,
    ms: [500, 8_000],
    begin({ broker }, random) {
      const before = broker.state.lost;
      broker.state.lost = 0.05 + random.next() * 0.9;
      return () => {
        broker.state.lost = before;
      };
    },
  },
  'broker away': {
    fits: among,
    ms: [300, 8_000],
    begin({ broker }) {
      broker.setAway(true);
      return () => broker.setAway(false);
    },
  },
  'line to the broker broken': {
    fits: among,
    ms: [300, 8_000],
    begin(sim, random) {
      const process = random.pick(sim.liveNodes)?.process;
      if (process === undefined) return undefined;
      sim.broker.setLineAway(process, true);
      return () => sim.broker.setLineAway(process, false);
    },
  },
  'nodes apart': {
    fits: among,
    ms: [300, 9_000],
    begin(sim, random) {
      const [one, ...others] = random.shuffled(sim.liveNodes);
      for (const other of others) {
        sim.broker.part(one!.process, other.process);
        if (random.chance(0.7)) sim.broker.part(other.process, one!.process);
      }
      return () => sim.broker.heal();
    },
  },
  'store away': {
    fits: always,
    ms: [100, 7_000],
    begin({ store }, random) {
      store.state.away = random.chance(0.5) ? 'refuses' : 'hangs';
      return () => {
        store.state.away = 'no';
      };
    },
  },
  'commits slow': {
    fits: always,
    ms: [500, 6_000],
    begin({ store }, random) {
      store.state.commitMs = random.pick([50, 400, 7_000])!;
      return () => {
        store.state.commitMs = 0;
      };
    },
  },
  'commits fail': {
    fits: always,
    ms: [300, 5_000],
    begin({ store }, random) {
      store.state.failBefore = random.next() * 0.5;
      store.state.failAfter = random.next() * 0.5;
      return () => {
        store.state.failBefore = 0;
        store.state.failAfter = 0;
      };
    },
  },
  'clock set': {
    fits: always,
    ms: [0, 0],
    begin(sim, random) {
      const process = random.pick([...sim.liveNodes, ...sim.devices.filter(({ running }) => running)])?.process;
      if (process !== undefined) process.skewMs += random.between(-4_000, 4_000);
      return undefined;
    },
  },
  'line cut': {
    fits: always,
    ms: [0, 0],
    begin(sim, random) {
      const line = random.pick([...sim.network.lines]);
      line?.cut(random.pick(CUTS)!);
      return undefined;
    },
  },
  'all lines of a node cut': {
    fits: always,
    ms: [0, 0],
    begin(sim, random) {
      const node = random.pick(sim.liveNodes);
      for (const line of sim.network.linesOf((each) => each.node === node)) line.cut(random.pick(CUTS)!);
      return undefined;
    },
  },
  'network slow': {
    fits: always,
    ms: [500, 6_000],
    begin({ network }, random) {
      network.state.slowness = random.between(5, 50);
      return () => {
        network.state.slowness = 1;
      };
    },
  },
  'reader slow': {
    fits: always,
    ms: [1_000, 8_000],
    begin(sim, random) {
      const device = random.pick(sim.devices)!;
      device.bytesPerMs = 0.05 + random.next() * 2;
      return () => {
        device.bytesPerMs = Number.POSITIVE_INFINITY;
      };
    },
  },
  'device offline': {
    fits: always,
    ms: [200, 10_000],
    begin(sim, random) {
      const device = random.pick(sim.devices)!;
      device.offline = true;
      for (const line of sim.network.linesOf(({ reader }) => reader === device)) line.cut(random.pick(CUTS)!);
      return () => {
        device.offline = false;
      };
    },
  },
  'device stands still': {
    fits: always,
    ms: [0, 0],
    begin(sim, random) {
      const process = random.pick(sim.devices)?.process;
      if (process !== undefined) sim.pause(process, random.between(500, 15_000));
      return undefined;
    },
  },
  'accept log away': {
    fits: twoPhase,
    ms: [100, 5_000],
    begin({ accept }) {
      accept!.server.fault.away(true);
      return () => accept!.server.fault.away(false);
    },
  },
  'accept log mute': {
    fits: twoPhase,
    ms: [50, 2_000],
    begin({ accept }) {
      accept!.server.fault.mute(true);
      return () => accept!.server.fault.mute(false);
    },
  },
  'accept log emptied': {
    fits: twoPhase,
    ms: [0, 0],
    begin({ accept }) {
      accept!.server.fault.lose();
      return undefined;
    },
  },
  'accept log set back': {
    fits: twoPhase,
    ms: [50, 4_000],
    begin: ({ accept }) => accept!.setBackTo(),
  },
  'accept log restarted': {
    fits: twoPhase,
    ms: [50, 4_000],
    begin({ accept }) {
      accept!.server.fault.away(true);
      return () => {
        accept!.setBackTo()();
        accept!.server.fault.away(false);
      };
    },
  },
  'accept log and a node lost': {
    fits: twoPhase,
    ms: [50, 8_000],
    begin(sim, random) {
      const place = random.pick(sim.places.filter(({ node }) => node?.process.alive));
      if (place === undefined) return undefined;
      sim.accept!.server.fault.lose();
      sim.killNode(place);
      return () => sim.startNode(place);
    },
  },
  'line to the accept log broken': {
    fits: twoPhase,
    ms: [100, 5_000],
    begin(sim, random) {
      const process = random.pick(sim.liveNodes)?.process;
      if (process === undefined) return undefined;
      sim.accept!.setLineBroken(process, true);
      return () => sim.accept!.setLineBroken(process, false);
    },
  },
  'two-phase switched': {
    fits: twoPhase,
    ms: [0, 0],
    begin(sim, random) {
      sim.setRules(
        random.pick([
          { enabled: random.chance(0.6) },
          { percent: random.between(0, 100) },
          { deliverBeforeSaved: random.chance(0.5) },
          { failOpen: random.chance(0.5) },
        ])!,
      );
      return undefined;
    },
  },
} satisfies Record<string, Fault>;

export type FaultName = keyof typeof FAULTS;

/** One of those that the plan has. Ends by itself, or when all is healed. */
export function harm(sim: Simulation, random: Random): void {
  const name = random.pick(sim.plan.faults);
  if (name === undefined) return;
  const fault: Fault = FAULTS[name];
  const end = fault.begin(sim, random);
  sim.world.note(() => `fault: ${name}`);
  sim.world.count(`fault: ${name}`);
  if (end === undefined) return;
  let over = false;
  const finish = () => {
    if (over) return;
    over = true;
    sim.world.note(() => `over: ${name}`);
    end();
  };
  sim.cures.push(finish);
  sim.world.in(sim.world.outside, random.between(...(fault.ms as [number, number])), finish);
}
