import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { HistoryEvent } from '../check/event.ts';
import { checkFiles } from '../check/files.ts';
import { serverLog } from '../check/server-log.ts';
import { Cluster, type ClusterPlan } from './cluster.ts';
import type { DrillContext, DrillResult } from './drill.ts';
import { remarksOfNodes } from './node-logs.ts';
import { type Facts, resultOf } from './result.ts';
import { Crowd, READER } from './workload/crowd.ts';
import { misshown, type Shown } from './workload/shown.ts';

/** What a fault has to do with: a cluster that works, and clients that send. */
export interface Stage {
  readonly cluster: Cluster;
  readonly crowd: Crowd;
  log(line: string): void;
  /** Call it when everything is whole again: recovery counts from here. Without it, from the end of the fault. */
  healed(): void;
  /** Tells the reader of the result. */
  note(line: string): void;
  /** A promise that only this drill can look at was broken. */
  broken(line: string): void;
}

export interface Scene {
  readonly cluster: ClusterPlan;
  /** Where clients connect, node by node, when that is not the nodes themselves: a proxy in front of each, say. */
  readonly front?: (cluster: Cluster) => Promise<readonly string[]>;
  /** Breaks something, waits, and heals it, while clients send on. */
  fault(stage: Stage): Promise<void>;
  /** Urls of the nodes that are lost together with Redis: only what they accepted may be lost. Absent: nothing may. */
  readonly mayLoseAccepted?: (cluster: Cluster) => readonly string[];
}

/** Before and after the fault at least: to see that all is well. */
const CALM_MIN_MS = 1_000;
/** After all is healed, whatever waits is saved by then; an outage of a minute leaves a minute of messages. */
const ANSWER_MS = 120_000;
/** Until accepted messages are saved, and until everyone has everything. */
const SETTLE_MS = 60_000;
const POLL_MS = 200;

/**
 * Clients send for the time of the drill, half of it before the fault and half after; then all is awaited, a new reader takes the whole
 * history, and what every client saw is checked against it.
 */
export async function perform(context: DrillContext, { cluster: plan, front, fault, mayLoseAccepted }: Scene): Promise<DrillResult> {
  const { options, log } = context;
  const cluster = await Cluster.start(context, plan);
  const history = join(context.dir, 'history.ndjson');
  const crowd = await Crowd.gather({
    urls: (await front?.(cluster)) ?? cluster.urls,
    history,
    clients: options.clients,
    ratePerSec: options.ratePerSec,
    seed: options.seed,
    token: (user) => cluster.token(user),
    createGroup: (participants) => cluster.createGroup(participants),
  });
  context.onCleanup(() => crowd.close());
  log(`${options.clients} clients in ${crowd.cids.length} conversations send ${options.ratePerSec} messages/s`);
  const facts = await play({ crowd, cluster, log, fault, calmMs: Math.max(CALM_MIN_MS, options.durationSec * 500) });
  if (options.twoPhase === 'on') await backlogIsSaved(cluster, facts);
  await everyoneHasEverything(crowd, cluster, facts);
  facts.broken.push(...(await cluster.unwell()));
  const screens = crowd.screens();
  crowd.finish();
  facts.notes.push(...remarksOfNodes(context.dir));
  log('checking what every client saw');
  const kept = new Map<string, Shown[]>();
  const check = await checkFiles([history], {
    acceptedLossOf: mayLoseAccepted?.(cluster) ?? [],
    fetchHistory: (cid) => readerLog(cluster, cid, kept),
  });
  for (const screen of screens) facts.broken.push(...misshown(screen, kept.get(screen.cid) ?? []));
  return resultOf({ check, facts, crowd, options });
}

interface Play {
  crowd: Crowd;
  cluster: Cluster;
  log: (line: string) => void;
  fault: Scene['fault'];
  calmMs: number;
}

async function play({ crowd, cluster, log, fault, calmMs }: Play): Promise<Facts> {
  const facts: Facts = { broken: [], notes: [] };
  let healed = false;
  crowd.begin();
  await sleep(calmMs);
  await fault({
    cluster,
    crowd,
    log,
    healed() {
      healed = true;
      crowd.acks.healed();
    },
    note: (line) => facts.notes.push(line),
    broken: (line) => facts.broken.push(line),
  });
  if (!healed) crowd.acks.healed();
  await sleep(calmMs);
  await crowd.hush();
  log(`${crowd.sent} messages were sent, ${crowd.acks.pending} of them still wait for their ack`);
  const unanswered = await crowd.answered(ANSWER_MS);
  if (unanswered > 0) facts.broken.push(`${unanswered} clients still wait for an ack ${ANSWER_MS / 1_000} s after the end`);
  return facts;
}

async function backlogIsSaved(cluster: Cluster, { broken }: Facts): Promise<void> {
  const end = performance.now() + SETTLE_MS;
  for (;;) {
    const backlog = await cluster.metric('gapless_accept_backlog_entries');
    if (backlog === 0) return;
    if (performance.now() > end) return void broken.push(`${backlog} accepted messages are not saved ${SETTLE_MS / 1_000} s after the end`);
    await sleep(POLL_MS);
  }
}

async function everyoneHasEverything(crowd: Crowd, cluster: Cluster, { broken }: Facts): Promise<void> {
  const heads = new Map<string, number>();
  for (const cid of crowd.cids) heads.set(cid, await headOf(cluster, cid));
  const behind = await crowd.caughtUp(heads, SETTLE_MS);
  // Of those that are in their conversation the checker says what they lack; of the others nobody else would speak.
  if (behind > 0)
    broken.push(`${behind} clients are not in their conversation with all that was said ${SETTLE_MS / 1_000} s after the end`);
}

/** The newest seq of a conversation. */
export async function headOf(cluster: Cluster, cid: string): Promise<number> {
  const response = await fetch(`${await cluster.readyUrl()}/v1/conversations/${cid}`, {
    headers: { authorization: `Bearer ${cluster.token(READER)}` },
  });
  if (!response.ok) throw new Error(`reading a conversation is answered ${response.status}: ${await response.text()}`);
  return ((await response.json()) as { head: number }).head;
}

/** The final history; its messages are kept beside. */
async function* readerLog(cluster: Cluster, cid: string, kept: Map<string, Shown[]>): AsyncGenerator<HistoryEvent> {
  const messages: Shown[] = [];
  kept.set(cid, messages);
  for await (const event of serverLog({ url: await cluster.readyUrl(), token: cluster.token(READER), cid })) {
    if (event.ev === 'recv') messages.push(event);
    yield event;
  }
}
