import { LOST, type LogEntry } from '@gapless/core';
import { type CheckResult, checkEvents, type HistoryEvent } from '@gapless/loadtest';
import { disagreements, removedFrom } from './agreement.ts';
import { marksOf } from './recorder.ts';
import type { Simulation } from './simulation.ts';
import { FOUND_BY_A_LOOK } from './two-phase.ts';

const ALL = 1_000_000;

/** Who tells of the final history. */
const HISTORY = { p: 'history', u: '', d: '', k: 0, t: 0 } as const;

/** A node that stood still for so long asks whether the others gave it up: they may have. See packages/core, epochs.ts. */
const GIVEN_UP_MS = 3_000;

export interface Verdict {
  readonly ok: boolean;
  /** Each begins with its kind. */
  readonly problems: readonly string[];
  readonly check: CheckResult;
}

/** What became of a run: the history checker over all that clients saw, and what must be so besides. */
export async function judge(sim: Simulation): Promise<Verdict> {
  const { memory } = sim.store;
  const logs = new Map<string, readonly LogEntry[]>();
  for (const cid of sim.cids) logs.set(cid, await memory.changes(cid, { after: 0, limit: ALL }));
  sim.world.count('numbers lost', lostIn(logs));
  sayWhoHasAll(sim);
  const events = [...withoutReturners(sim.events, logs), ...historyOf(logs)];
  const check = checkEvents(events, { acceptedLossOf: mayLose(sim) });
  sim.world.count('accepted and lost', check.acceptedLost);
  const problems = [
    ...check.anomalies.flatMap(({ name, examples }) => examples.map((example) => `${name}: ${example}`)),
    ...sim.problems,
    ...sim.world.crashes.map((crash) => `crash: ${crash}`),
    ...(await disagreements(sim)).map(({ what }) => `disagreement: ${what}`),
    ...(await unkeptReads(sim, logs)),
    ...denseness(logs),
    ...missedNotices(sim),
  ];
  return { ok: problems.length === 0, problems, check };
}

/**
 * Nodes whose accepted messages may be lost: who is gone, or stood still for as long, and that only where something happened to the
 * accept log as well, or to the way there.
 */
function mayLose({ world, nodeProcesses }: Simulation): string[] {
  const isHarmed = [...world.counts.keys()].some((what) => what.startsWith('fault: ') && what.includes('accept log'));
  if (!isHarmed) return [];
  return nodeProcesses.filter(({ alive, stoodStillMs }) => !alive || stoodStillMs >= GIVEN_UP_MS).map(({ name }) => name);
}

/** Connections that were there to the end must have everything. */
function sayWhoHasAll({ devices }: Simulation): void {
  for (const { client, opened, recorder } of devices)
    for (const cid of opened) {
      const { loaded, error } = client?.conversation(cid).getSnapshot() ?? {};
      if (client?.state === 'online' && loaded && error === undefined) recorder.drained(cid);
    }
}

function lostIn(logs: ReadonlyMap<string, readonly LogEntry[]>): number {
  return [...logs.values()].flat().filter((entry) => entry.op === 'message' && entry.message.kind === LOST.kind).length;
}

function historyOf(logs: ReadonlyMap<string, readonly LogEntry[]>): HistoryEvent[] {
  return [...logs].flatMap(([cid, log]) => [
    ...log.flatMap((entry): HistoryEvent[] => {
      if (entry.op !== 'message') return [];
      const { seq, mid, from, body, kind } = entry.message;
      const h = String((JSON.parse(body) as { text?: string }).text);
      return [{ ...HISTORY, cid, ev: 'recv', via: 'history', seq, mid, from, h, ...marksOf(kind) }];
    }),
    { ...HISTORY, cid, ev: 'history' } as const,
  ]);
}

/** Who was removed and comes back begins to read anew: their cursor says nothing here. */
function withoutReturners(events: readonly HistoryEvent[], logs: ReadonlyMap<string, readonly LogEntry[]>): HistoryEvent[] {
  const removed = new Map([...logs].map(([cid, log]) => [cid, removedFrom(log)]));
  return events.filter((event) => event.ev !== 'cursor' || !removed.get(event.cid)?.has(event.of));
}

/** What a user has read on a device that lives is read, but for what was before they were removed. */
async function unkeptReads({ devices, store }: Simulation, logs: ReadonlyMap<string, readonly LogEntry[]>): Promise<string[]> {
  const problems: string[] = [];
  for (const { name, uid, hasRead, running } of devices) {
    if (!running) continue;
    for (const [cid, pos] of hasRead) {
      const member = (await store.memory.participants(cid)).find((each) => each.uid === uid);
      const wasRemoved = removedFrom(logs.get(cid) ?? []).has(uid);
      if (member !== undefined && !wasRemoved && member.lastRead < pos)
        problems.push(`lost read: ${name} read ${cid} up to ${pos}, the store has ${member.lastRead}`);
    }
  }
  return problems;
}

/** Where nothing goes wrong every node hears of every save. */
function missedNotices({ plan, world }: Simulation): string[] {
  const isCalm = plan.faults.length === 0 && plan.broker.lost === 0;
  const missed = world.counts.get(FOUND_BY_A_LOOK) ?? 0;
  return isCalm && missed > 0 ? [`missed notice: of ${missed} saves their node learnt by a look only`] : [];
}

function denseness(logs: ReadonlyMap<string, readonly LogEntry[]>): string[] {
  return [...logs].flatMap(([cid, log]) => {
    const at = log.findIndex(({ rev }, i) => rev !== i + 1);
    return at === -1 ? [] : [`log: ${cid} has rev ${log[at]!.rev} in place of ${at + 1}`];
  });
}
