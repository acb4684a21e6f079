import type { Device } from './device.ts';
import type { Random } from './random.ts';
import type { Simulation } from './simulation.ts';

interface Operation {
  /** How often it happens, beside the others. */
  readonly weight: number;
  run(sim: Simulation, random: Random): void;
}

/** With one of these a device does something by itself; nothing of it waits for anything. */
export const OPERATIONS = {
  send: {
    weight: 40,
    run: (sim, random) => withConversation(sim, random, (device, cid) => device.send(cid, fillerOf(random))),
  },
  burst: {
    weight: 4,
    run: (sim, random) =>
      withConversation(sim, random, (device, cid) => {
        for (let left = random.between(3, 15); left > 0; left--) device.send(cid, fillerOf(random));
      }),
  },
  read: {
    weight: 15,
    run: (sim, random) =>
      withConversation(sim, random, (device, cid) => {
        const { head } = device.client!.conversation(cid).getSnapshot();
        device.read(cid, random.chance(0.5) ? undefined : random.between(0, head));
      }),
  },
  open: { weight: 8, run: (sim, random) => withDevice(sim, random, (device) => device.open(random.pick(sim.cids)!)) },
  leave: { weight: 4, run: (sim, random) => withConversation(sim, random, (device, cid) => device.leave(cid)) },
  loadOlder: {
    weight: 3,
    run: (sim, random) =>
      withConversation(
        sim,
        random,
        (device, cid) =>
          void device
            .client!.conversation(cid)
            .loadOlder()
            .catch(() => {}),
      ),
  },
  typing: {
    weight: 4,
    run: (sim, random) => withConversation(sim, random, (device, cid) => device.client!.conversation(cid).typing(random.chance(0.8))),
  },
  add: {
    weight: 3,
    run: (sim, random) =>
      withDevice(sim, random, (device) =>
        device.client!.http.addParticipants(random.pick(sim.cids)!, [random.pick(sim.uids)!], random.chance(0.3) ? 'admin' : 'member'),
      ),
  },
  remove: {
    weight: 3,
    run: (sim, random) =>
      withDevice(sim, random, (device) => device.client!.http.removeParticipant(random.pick(sim.cids)!, random.pick(sim.uids)!)),
  },
  rename: {
    weight: 2,
    run: (sim, random) =>
      withDevice(sim, random, (device) =>
        device.client!.http.updateConversation(random.pick(sim.cids)!, { title: `title ${random.below(1_000)}` }),
      ),
  },
  create: {
    weight: 1,
    run: (sim, random) =>
      withDevice(sim, random, async (device) => {
        const kind = random.chance(0.5) ? 'dm' : 'group';
        const others = random.shuffled(sim.uids.filter((uid) => uid !== device.uid)).slice(0, kind === 'dm' ? 1 : 3);
        const { cid } = await device.client!.http.createConversation({ kind, participants: others });
        sim.knows(cid);
      }),
  },
  retry: {
    weight: 2,
    run: (sim, random) =>
      withConversation(sim, random, (device, cid) => {
        for (const { status, mid } of device.client!.conversation(cid).getSnapshot().messages)
          if (status === 'failed') device.client!.conversation(cid).retry(mid);
      }),
  },
  restart: {
    weight: 2,
    run: (sim, random) =>
      withDevice(sim, random, (device) => {
        sim.killDevice(device, random.chance(0.7));
        sim.world.in(sim.world.outside, random.skewed(10, 5_000), () => sim.startDevice(device));
      }),
  },
} satisfies Record<string, Operation>;

export type OperationName = keyof typeof OPERATIONS;

/** Chooses what happens next. */
export function operate(sim: Simulation, random: Random): void {
  const { weights } = sim.plan;
  const names = Object.keys(OPERATIONS) as OperationName[];
  let left = random.next() * names.reduce((sum, name) => sum + weights[name], 0);
  for (const name of names) {
    left -= weights[name];
    if (left > 0) continue;
    sim.world.note(() => `operation: ${name}`);
    OPERATIONS[name].run(sim, random);
    return;
  }
}

/** In the process of one that runs. */
function withDevice(sim: Simulation, random: Random, act: (device: Device) => unknown): void {
  const device = random.pick(sim.devices.filter(({ running }) => running));
  if (device === undefined) return;
  sim.world.in(device.process, 0, () => {
    // What the server refuses is an answer too.
    Promise.resolve(act(device)).catch(() => {});
  });
}

function withConversation(sim: Simulation, random: Random, act: (device: Device, cid: string) => unknown): void {
  withDevice(sim, random, (device) => {
    const cid = random.pick([...device.opened]);
    if (cid !== undefined) return act(device, cid);
    device.open(random.pick(sim.cids)!);
  });
}

/** Some are long: tails and pages are bounded by bytes. */
function fillerOf(random: Random): string {
  return random.chance(0.1) ? ` ${'x'.repeat(random.between(10, 1_500))}` : '';
}
