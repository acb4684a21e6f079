import { setTimeout as sleep } from 'node:timers/promises';
import { type Command, OwnReads, type Store, Writer } from '@gapless/core';
import { systemClock } from '@gapless/kit';
import type { RunningPostgres } from '@gapless/testkit';
import { openPostgresStore } from '../../packages/adapters/src/store/postgres/index.ts';
import { BODY } from '../road/world.ts';
import { inTurns, type Mode } from './modes.ts';

/** Sends waiting for their ack at any time: a batch of 1,000 is always in the making. */
const IN_FLIGHT = 4_000;
const CONVERSATIONS = 1_000;
const MEMBERS = 10;
const WARM_UP_MS = 3_000;

/** Saved messages a second, and CPU microseconds for each. */
export interface Speed {
  readonly rate: number;
  readonly postgresUsec: number;
  readonly ownUsec: number;
}

/** As many sends as one writer with one lane gets through; what is left of the own positions at the end is checked. */
export function fullSpeed(
  database: RunningPostgres,
  { repeats, seconds }: { repeats: number; seconds: number },
): Promise<Record<Mode, Speed[]>> {
  return inTurns(repeats, async (mode, repeat) => {
    const speed = await saved(database, mode, seconds);
    console.log(`full speed, ensure-members ${mode}, ${repeat + 1} of ${repeats}: ${Math.round(speed.rate)} msg/s`);
    return speed;
  });
}

async function saved(database: RunningPostgres, mode: Mode, seconds: number): Promise<Speed> {
  const under = await openPostgresStore({ url: await database.createDatabase(), lanes: 1 });
  const ownReads = new OwnReads({
    store: under,
    clock: systemClock,
    append: (command) => writer.append(command),
    onError(error) {
      throw error;
    },
  });
  const { store } = ownReads;
  const writer: Writer = new Writer({ store, clock: systemClock, onCommitted() {}, limits: { lanes: 1, queueMax: 2 * IN_FLIGHT } });
  const cids = Array.from({ length: CONVERSATIONS }, (_, i) => `01HZZZZZZZZZZZZZZZZZ${String(i).padStart(6, '0')}`);
  await store.commit(cids.map(create));
  let [sent, acked, over] = [0, 0, false];
  const client = async () => {
    while (!over) {
      const outcome = await writer.append(send(cids[sent % CONVERSATIONS]!, sent++, mode));
      if (!outcome.ok) throw new Error(outcome.code);
      acked++;
    }
  };
  const clients = Array.from({ length: IN_FLIGHT }, client);
  await sleep(WARM_UP_MS);
  const before = { acked, cpu: database.cpuSec(), own: process.cpuUsage(), at: performance.now() };
  await sleep(seconds * 1_000);
  const count = acked - before.acked;
  const rate = count / ((performance.now() - before.at) / 1_000);
  const own = process.cpuUsage(before.own);
  const speed = { rate, postgresUsec: ((database.cpuSec() - before.cpu) * 1e6) / count, ownUsec: (own.user + own.system) / count };
  over = true;
  await Promise.all(clients);
  await ownReads.close();
  await writer.close();
  await verify(under, cids[0]!);
  await under.close();
  return speed;
}

/** Everyone has read up to their own newest message, in the store itself. */
async function verify(store: Store, cid: string): Promise<void> {
  const newest = new Map<string, number>();
  const { head } = (await store.conversation(cid))!;
  for (const { from, seq } of await store.messages(cid, { limit: head })) newest.set(from, seq);
  for (const { uid, lastRead } of await store.participants(cid))
    if (lastRead !== (newest.get(uid) ?? 0)) throw new Error(`${uid} has sent ${newest.get(uid)} and read ${lastRead}`);
}

const users = Array.from({ length: MEMBERS }, (_, i) => `u${i}`);

function create(cid: string): Command {
  const participants = users.map((uid) => ({ uid, role: 'member' as const }));
  return { op: 'create', cid, kind: 'group', by: 'u0', at: 1, participants, createUsers: true };
}

const body = JSON.stringify(BODY);

/** The senders of a conversation take turns. */
function send(cid: string, i: number, mode: Mode): Command {
  const mid = `01J${String(i).padStart(23, '0')}`;
  const from = users[Math.floor(i / CONVERSATIONS) % MEMBERS]!;
  const old = mode === 'send' ? { ensureMembers: true as const } : {};
  return { op: 'send', cid, mid, from, at: 1_700_000_000_000 + i, kind: 'text', body, digest: `${mid} of twenty-two`, ...old };
}
