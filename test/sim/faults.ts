import { ACCEPT_FAULTS } from './accept-faults.ts';
import type { Fault } from './fault.ts';
import type { Cut } from './line.ts';
import type { Random } from './random.ts';
import type { Simulation } from './simulation.ts';

const always = () => true;
const among = ({ nodes }: { nodes: number }) => nodes > 1;

const CUTS: readonly Cut[] = ['both', 'both', 'client', 'server', 'nobody'];

export const FAULTS = {
  'node killed': {
    fits: always,
    ms: [50, 8_000],
    begin(sim, random) {
      const place = random.pick(sim.places.filter(({ node }) => node?.process.alive));
      if (place === undefined) return false;
      sim.killNode(place);
      return () => sim.startNode(place);
    },
  },
  'node stopped in good order': {
    fits: always,
    ms: [100, 4_000],
    begin(sim, random) {
      const place = random.pick(sim.places.filter(({ node }) => node?.process.alive && !node.draining));
      if (place === undefined) return false;
      sim.stopNode(place, random.between(0, 1_000));
      return true;
    },
  },
  'node stands still': {
    fits: always,
    ms: [200, 9_000],
    begin(sim, random) {
      const process = random.pick(sim.liveNodes)?.process;
      if (process === undefined) return false;
      sim.pause(process, random.between(200, 9_000));
      return true;
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
      if (process === undefined) return false;
      sim.broker.setLineAway(process, true);
      return () => sim.broker.setLineAway(process, false);
    },
  },
  'nodes apart': {
    fits: among,
    ms: [300, 9_000],
    begin(sim, random) {
      const [one, ...others] = random.shuffled(sim.liveNodes);
      if (one === undefined || others.length === 0) return false;
      for (const other of others) {
        sim.broker.part(one.process, other.process);
        if (random.chance(0.7)) sim.broker.part(other.process, one.process);
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
      if (process === undefined) return false;
      process.skewMs += random.between(-4_000, 4_000);
      return true;
    },
  },
  'line cut': {
    fits: always,
    ms: [0, 0],
    begin(sim, random) {
      const line = random.pick([...sim.network.lines]);
      line?.cut(random.pick(CUTS)!);
      return line !== undefined;
    },
  },
  'all lines of a node cut': {
    fits: always,
    ms: [0, 0],
    begin(sim, random) {
      const node = random.pick(sim.liveNodes);
      const lines = node === undefined ? [] : sim.network.linesOf((each) => each.node === node);
      for (const line of lines) line.cut(random.pick(CUTS)!);
      return lines.length > 0;
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
      const process = random.pick(sim.devices.filter(({ running }) => running))?.process;
      if (process === undefined) return false;
      sim.pause(process, random.between(500, 15_000));
      return true;
    },
  },
  ...ACCEPT_FAULTS,
} satisfies Record<string, Fault>;

export type FaultName = keyof typeof FAULTS;

/** One of those that the plan has. Ends by itself, or when all is healed. */
export function harm(sim: Simulation, random: Random): void {
  const name = random.pick(sim.plan.faults);
  if (name === undefined) return;
  const fault: Fault = FAULTS[name];
  const end = fault.begin(sim, random);
  if (end === false) return;
  sim.world.note(() => `fault: ${name}`);
  sim.world.count(`fault: ${name}`);
  if (end === true) return;
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
