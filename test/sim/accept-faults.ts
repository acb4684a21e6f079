import type { Fault } from './fault.ts';
import type { Place } from './simulation.ts';

const twoPhase = (world: { twoPhase: boolean }) => world.twoPhase;

const LOOK_MS = 5;

/** What may happen to the accept log and to the way there, and changes of its settings. */
export const ACCEPT_FAULTS = {
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
      if (!accept!.isOn) return false;
      accept!.server.fault.lose();
      return true;
    },
  },
  'accept log set back': {
    fits: twoPhase,
    ms: [50, 4_000],
    begin: ({ accept }) => accept!.isOn && accept!.setBackTo(),
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
  // With a slow store, and a moment after there is something that only these two know: some clients have heard of it then.
  'accept log and a node lost': {
    fits: twoPhase,
    ms: [2_000, 8_000],
    begin(sim, random) {
      const { store, world } = sim;
      store.state.commitMs = 3_000;
      const momentMs = random.between(0, 300);
      let lost: Place | undefined;
      let over = false;
      const look = () => {
        if (over) return;
        const isWaiting = sim.accept!.waiting !== undefined;
        world.in(world.outside, isWaiting ? momentMs : LOOK_MS, isWaiting ? strike : look);
      };
      const strike = () => {
        const accepter = sim.accept!.waiting?.node;
        lost = sim.places.find(({ node }) => node?.process.alive && node.process.name === accepter);
        if (over || lost === undefined) return void world.in(world.outside, LOOK_MS, look);
        sim.accept!.server.fault.lose();
        sim.killNode(lost);
        world.count('accept log lost with a node that accepted');
      };
      look();
      return () => {
        over = true;
        store.state.commitMs = 0;
        if (lost !== undefined) sim.startNode(lost);
      };
    },
  },
  'line to the accept log broken': {
    fits: twoPhase,
    ms: [100, 5_000],
    begin(sim, random) {
      const process = random.pick(sim.liveNodes)?.process;
      if (process === undefined) return false;
      sim.accept!.setLineBroken(process, true);
      return () => sim.accept!.setLineBroken(process, false);
    },
  },
  'two-phase switched': {
    fits: twoPhase,
    ms: [0, 0],
    begin(sim, random) {
      return sim.setRules(
        random.pick([
          { enabled: random.chance(0.6) },
          { percent: random.between(0, 100) },
          { deliverBeforeSaved: random.chance(0.5) },
          { failOpen: random.chance(0.5) },
        ])!,
      );
    },
  },
} satisfies Record<string, Fault>;
