import type { Fault } from './fault.ts';
import type { Place } from './simulation.ts';

const twoPhase = (world: { twoPhase: boolean }) => world.twoPhase;

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
  // With a slow store, so that there is something that only these two know.
  'accept log and a node lost': {
    fits: twoPhase,
    ms: [1_000, 8_000],
    begin(sim, random) {
      const { store, world } = sim;
      store.state.commitMs = 4_000;
      let lost: Place | undefined;
      world.in(world.outside, random.between(50, 1_000), () => {
        if (sim.healed) return;
        lost = random.pick(sim.places.filter(({ node }) => node?.process.alive));
        sim.accept!.server.fault.lose();
        if (lost !== undefined) sim.killNode(lost);
      });
      return () => {
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
