import { LOST, type LogEntry } from '@gapless/core';
import { type CheckResult, checkEvents, type HistoryEvent } from '@gapless/loadtest';
import { disagreements } from './agreement.ts';
import { marksOf } from './recorder.ts';
import type { Simulation } from './simulation.ts';

const ALL = 1_000_000;

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
  const check = checkEvents(events);
  const problems = [
    ...check.anomalies.flatMap(({ name, examples }) => examples.map((example) => `${name}: ${example}`)),
    ...sim.problems,
    ...sim.world.crashes.map((crash) => `crash: ${crash}`),
    ...(await disagreements(sim)).map(({ what }) => `disagreement: ${what}`),
    ...(await unkeptReads(sim)),
    ...denseness(logs),
  ];
  return { ok: problems.length === 0, problems, check };
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
  return [...logs].flatMap(([cid, log]) =>
    log.flatMap((entry): HistoryEvent[] => {
      if (entry.op !== 'message') return [];
      const { seq, mid, from, body, kind } = entry.message;
      const h = String((JSON.parse(body) as { text?: string }).text);
      return [{ p: 'history', u: '', d: '', k: 0, t: 0, cid, ev: 'recv', via: 'history', seq, mid, from, h, ...marksOf(kind) }];
    }),
  );
}

/** Who was removed and comes back begins to read anew: their cursor says nothing here. */
function withoutReturners(events: readonly HistoryEvent[], logs: ReadonlyMap<string, readonly LogEntry[]>): HistoryEvent[] {
  const removed = new Set<string>();
  for (const [cid, log] of logs)
    for (const entry of log)
      if (entry.op === 'change' && entry.detail.op === 'participants_removed')
        for (const uid of entry.detail.users) removed.add(`${cid} ${uid}`);
  return events.filter((event) => event.ev !== 'cursor' || !removed.has(`${event.cid} ${event.of}`));
}

/** What a user has read on a device that lives is read. */
async function unkeptReads({ devices, store }: Simulation): Promise<string[]> {
  const problems: string[] = [];
  for (const { name, uid, hasRead, running } of devices) {
    if (!running) continue;
    for (const [cid, pos] of hasRead) {
      const member = (await store.memory.participants(cid)).find((each) => each.uid === uid);
      const rejoined = member !== undefined && member.joinedAt > 1;
      if (member !== undefined && !rejoined && member.lastRead < pos)
        problems.push(`lost read: ${name} read ${cid} up to ${pos}, the store has ${member.lastRead}`);
    }
  }
  return problems;
}

function denseness(logs: ReadonlyMap<string, readonly LogEntry[]>): string[] {
  return [...logs].flatMap(([cid, log]) => {
    const at = log.findIndex(({ rev }, i) => rev !== i + 1);
    return at === -1 ? [] : [`log: ${cid} has rev ${log[at]!.rev} in place of ${at + 1}`];
  });
}
