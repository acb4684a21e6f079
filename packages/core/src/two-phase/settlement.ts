import type { Accepted, AcceptLog } from '../ports/accept-log.ts';
import { AcceptLogAway } from '../ports/accept-log.ts';
import type { OpenConversation } from '../ports/accept-store.ts';
import type { Outcome } from '../ports/store.ts';
import type { EpochDeps } from './deps.ts';
import { LEASE_MS } from './gone-nodes.ts';

/** Conversations settled, and entries read, at a time. */
const PAGE = 500;

/** Nodes that live hand in at once; one that is found to be gone is not waited for. */
const ASK_MS = 50;

type Deps = Pick<EpochDeps, 'store' | 'accept' | 'writer' | 'clock' | 'log' | 'metrics'>;

/**
 * Brings everything that was accepted in an epoch that is over into the store, and gives every conversation of it back to the store.
 * Resolves to false when another node leads now. What was done may be done again.
 */
export async function settle(deps: Deps, epoch: number, isLeader: () => Promise<boolean>): Promise<boolean> {
  const { store, clock, log, metrics } = deps;
  const copy = await copyOfLog(deps, epoch);
  // Where only they know what they accepted: while the store was away nobody could be seen, and nobody is gone for that.
  const until = clock.elapsed() + (copy === 'whole' ? 0 : LEASE_MS);
  let nodes = await store.acceptNodes(epoch);
  while (nodes.some(({ live, handedIn }) => !handedIn && (live || clock.elapsed() < until))) {
    await clock.sleep(ASK_MS);
    if (!(await isLeader())) return false;
    nodes = await store.acceptNodes(epoch);
  }
  // A log that nothing happened to knows all numbers that it gave.
  const missing = copy === 'whole' ? [] : nodes.filter(({ handedIn }) => !handedIn).map(({ node }) => node);
  if (missing.length > 0) log.warn({ epoch, missing }, 'nodes that accepted are gone: what only they knew is lost');
  let count = 0;
  for (;;) {
    // From the first one on: those that are settled are open no more.
    const page = await store.openConversations(epoch, { after: '', limit: PAGE });
    if (page.length === 0) break;
    await settlePage(deps, epoch, page, missing.length > 0);
    count += page.length;
    if (!(await isLeader())) return false;
  }
  await store.clearRescued(epoch);
  // What has no place under its number: there should be nothing. It drops the rest.
  if (copy !== 'none') await appendLeftovers(deps, epoch + 1, isLeader).catch(ignoreAway);
  metrics.settled(count);
  log.info({ epoch, conversations: count }, 'an epoch of the accept log is settled');
  return true;
}

async function settlePage({ store, writer, clock }: Deps, epoch: number, page: readonly OpenConversation[], someMissing: boolean) {
  const rescued = await store.rescued(
    epoch,
    page.map(({ cid }) => cid),
  );
  const byCid = Map.groupBy(rescued, ({ send }) => send.cid);
  const outcomes = await Promise.all(
    page.map(({ cid, head }) => {
      const messages = byCid.get(cid) ?? [];
      const upTo = someMissing ? 'reserved' : (messages.at(-1)?.seq ?? head);
      return writer.append({ op: 'settle', cid, epoch, at: clock.now(), messages, upTo });
    }),
  );
  const refused = outcomes.find((outcome: Outcome) => !outcome.ok);
  if (refused !== undefined) throw new Error(`a conversation was not settled: ${(refused as { code?: string }).code}`);
}

/**
 * What the log itself still has of the epoch is kept with what the nodes had. `whole`: nothing happened to it since it began, so that is
 * everything, and nothing can be added. `none`: it is away.
 */
async function copyOfLog({ store, accept }: Deps, epoch: number): Promise<'whole' | 'some' | 'none'> {
  try {
    const current = await accept.epoch();
    // From here on it refuses those who have not heard that the epoch is over.
    if (current === epoch) await accept.begin(epoch + 1);
    for await (const page of entriesOf(accept, epoch)) await store.rescue(page);
    // Only a whole one was ever begun anew before it was settled.
    return current === epoch || current === epoch + 1 ? 'whole' : 'some';
  } catch (error) {
    if (error instanceof AcceptLogAway) return 'none';
    throw error;
  }
}

async function* entriesOf(accept: AcceptLog, epoch: number): AsyncGenerator<Accepted[]> {
  const shards = await accept.shardsOf(epoch);
  for (let shard = 0; shard < shards; shard++) {
    for (let after = ''; ; ) {
      const page = await accept.entries(epoch, shard, { after, limit: PAGE });
      if (page.length === 0) break;
      yield page.map(({ accepted }) => accepted);
      after = page.at(-1)!.id;
    }
  }
}

/**
 * What the log still has of epochs that were settled without it. Their numbers are taken; a message that is not in the store gets another
 * one, under its mid.
 */
export async function appendLeftovers(deps: Deps, next: number, isLeader: () => Promise<boolean>): Promise<void> {
  const { accept, log } = deps;
  for (const epoch of await accept.leftovers(next)) {
    let appended = 0;
    for await (const page of entriesOf(accept, epoch)) {
      appended += await appendPage(deps, page);
      if (!(await isLeader())) throw new Error('another node leads now');
    }
    if (appended > 0) log.warn({ epoch, appended }, 'messages that the accept log had kept were appended');
    await accept.drop(epoch);
  }
}

/** One after the other in their order; the store knows which of the mids it has. */
async function appendPage({ writer, metrics }: Deps, page: readonly Accepted[]): Promise<number> {
  let appended = 0;
  const outcomes = await Promise.all(page.map(({ send }) => writer.append(send)));
  for (const [i, outcome] of outcomes.entries()) {
    if (outcome.ok && outcome.op === 'send' && !outcome.dup) appended++;
    if (!outcome.ok && outcome.code === 'accepting') throw new Error(`conversation ${page[i]!.send.cid} is open`);
    if (!outcome.ok) metrics.lost(1);
  }
  return appended;
}

function ignoreAway(error: unknown): void {
  if (!(error instanceof AcceptLogAway)) throw error;
}
