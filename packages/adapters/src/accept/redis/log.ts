import type { AcceptGroup, AcceptLog, AcceptRequest, AcceptTail, Opening, SavedUpTo, ShardEntry, WantedLocks } from '@gapless/core';
import { type Clock, isUlid } from '@gapless/kit';
import { identityOf, type Memory, OPENING_MS, shardHashOf } from '../rules.ts';
import { acceptArgs, acceptOutcomes, fullOrAway } from './accept-call.ts';
import { AcceptQueue } from './accept-queue.ts';
import { drop } from './drop.ts';
import { readEntries } from './entries.ts';
import { bytesOf, streamOf } from './keys.ts';
import type { Link, Reply } from './link.ts';
import type { Links } from './links.ts';
import { type ReadOptions, read } from './read.ts';
import type { ScriptName } from './scripts.ts';

export interface RedisAcceptSettings {
  readonly clock: Clock;
  readonly prefix: string;
  readonly groups: Readonly<Record<AcceptGroup, string>>;
  readonly shards: number;
  readonly backlogMax: number;
  readonly memory: Memory;
}

export class RedisAcceptLog implements AcceptLog {
  readonly capabilities = { durable: true, multiProcess: true };
  readonly #links: Links;
  readonly #settings: RedisAcceptSettings;
  readonly #accepts: AcceptQueue;

  constructor(links: Links, settings: RedisAcceptSettings) {
    this.#links = links;
    this.#settings = settings;
    this.#accepts = new AcceptQueue(settings.clock, async (epoch, requests) => {
      const reply = await this.#script('accept', epoch, acceptArgs(requests, settings)).catch(fullOrAway);
      return acceptOutcomes(reply, requests);
    });
  }

  async epoch() {
    return (await this.#state())?.epoch;
  }

  async begin(epoch: number) {
    const { shards, groups } = this.#settings;
    const begun = await this.#script('begin', epoch, [`${shards}`, groups.deliver, groups.save]);
    if (begun !== 1) throw new Error(`accept log: epoch ${epoch} was begun here before`);
    // Nobody asks for those any more.
    for (const { epoch: old, entries } of await this.#epochs()) if (old < epoch && entries === 0) await this.drop(old);
  }

  watch(restored: () => void) {
    return this.#links.watch(restored);
  }

  async admit(epoch: number, node: string) {
    await this.#script('admit', epoch, [bytesOf(node)]);
  }

  async bar(epoch: number, node: string) {
    return Number(await this.#script('bar', epoch, [bytesOf(node)]));
  }

  accept(epoch: number, requests: readonly AcceptRequest[]) {
    return this.#accepts.add(epoch, requests);
  }

  async intend(epoch: number, cid: string): ReturnType<AcceptLog['intend']> {
    const answer = await this.#script('intend', epoch, [bytesOf(cid), `${OPENING_MS}`]);
    if (!Array.isArray(answer)) return answer as 'opening' | 'open' | 'held' | 'over';
    const [opening, first] = answer as [number, number];
    return { opening, first };
  }

  async open(epoch: number, { cid, opening, head, rev, membersRev, reserved, knownFrom, mids }: Opening) {
    const ulids = mids.map(({ mid }) => mid).filter(isUlid);
    const top = ulids.reduce((largest, mid) => (mid > largest ? mid : largest), '');
    const known = mids.flatMap((first) => [bytesOf(first.mid), `${first.seq} ${first.rev} ${first.at} ${identityOf(first)}`]);
    const numbers = [opening, head, rev, membersRev, reserved].map(String);
    return (await this.#script('open', epoch, [bytesOf(cid), ...numbers, bytesOf(knownFrom), top, ...known])) === 1;
  }

  async hold(epoch: number, cid: string) {
    return tailOf(await this.#script('hold', epoch, [bytesOf(cid)]));
  }

  async close(epoch: number, cid: string, { opening, holdMs }: { opening: number; holdMs: number }) {
    await this.#script('close', epoch, [bytesOf(cid), `${opening}`, `${Math.ceil(holdMs)}`]);
  }

  async tails(epoch: number, cids: readonly string[]) {
    return ((await this.#script('tails', epoch, cids.map(bytesOf))) as Reply[]).map(tailOf);
  }

  async pending(epoch: number, cid: string, { after, limit }: { after: number; limit: number }) {
    const reply = await this.#script('pending', epoch, [bytesOf(cid), `${shardHashOf(cid)}`, `${after}`, `${limit}`]);
    return readEntries(epoch, reply).map(({ accepted }) => accepted);
  }

  async shards() {
    return (await this.#state())?.shards ?? this.#settings.shards;
  }

  async lock(epoch: number, group: AcceptGroup, { shards, most, node, ttlMs }: WantedLocks) {
    const args = [group, bytesOf(node), `${Math.ceil(ttlMs)}`, `${most}`, ...shards.map(String)];
    return (await this.#script('lock', epoch, args)) as number[];
  }

  async unlock(epoch: number, group: AcceptGroup, shard: number, node: string) {
    await this.#script('unlock', epoch, [`${group}:${shard}`, bytesOf(node)]);
  }

  read(epoch: number, group: AcceptGroup, options: ReadOptions) {
    const { prefix, groups, clock } = this.#settings;
    return read(this.#links, { ...options, prefix, epoch, clock, group: groups[group] });
  }

  async reclaim(epoch: number, group: AcceptGroup, { shard, node, count }: { shard: number; node: string; count: number }) {
    const args = [`${shard}`, this.#settings.groups[group], bytesOf(node), `${count}`];
    return readEntries(epoch, await this.#script('reclaim', epoch, args));
  }

  async delivered(epoch: number, shard: number, ids: readonly string[]) {
    const { prefix, groups } = this.#settings;
    if (ids.length > 0) await this.#main.call(['XACK', streamOf(prefix, epoch, shard), groups.deliver, ...ids]);
  }

  async saved(epoch: number, shard: number, ids: readonly string[], upTo: readonly SavedUpTo[]) {
    const { groups } = this.#settings;
    const conversations = upTo.flatMap(({ cid, head, rev, reserved }) => [bytesOf(cid), `${head}`, `${rev}`, `${reserved}`]);
    await this.#script('saved', epoch, [`${shard}`, groups.deliver, groups.save, `${ids.length}`, ...ids, ...conversations]);
  }

  async backlog(epoch: number) {
    const [entries, oldestAt] = (await this.#script('backlog', epoch)) as [string, string | number];
    return { entries: Number(entries), ...(oldestAt === '' ? {} : { oldestAt: Number(oldestAt) }) };
  }

  async leftovers(epoch: number) {
    const epochs = await this.#epochs();
    return epochs.filter((each) => each.epoch < epoch && each.entries > 0).map((each) => each.epoch);
  }

  async entries(epoch: number, shard: number, { after, limit }: { after: string; limit: number }): Promise<ShardEntry[]> {
    const start = after === '' ? '-' : `(${after}`;
    return readEntries(
      epoch,
      await this.#main.call(['XRANGE', streamOf(this.#settings.prefix, epoch, shard), start, '+', 'COUNT', `${limit}`]),
    );
  }

  async shardsOf(epoch: number) {
    return Number((await this.#main.call(['HGET', `${this.#settings.prefix}:epochs`, `${epoch}`])) ?? 0);
  }

  async drop(epoch: number) {
    await this.#script('end', epoch);
    await drop(this.#main, this.#settings.prefix, epoch);
  }

  async check() {
    // What is refused when Redis is full, cannot write to its disk, or is a replica.
    await this.#main.call(['SET', `${this.#settings.prefix}:check`, '1', 'PX', '1000']);
  }

  end() {
    return this.#links.end();
  }

  get #main(): Link {
    return this.#links.main;
  }

  async #script(name: ScriptName, epoch: number, args: readonly string[] = []): Promise<Reply> {
    return this.#main.script(name, { prefix: this.#settings.prefix, epoch, args });
  }

  async #state(): Promise<{ epoch: number; shards: number } | undefined> {
    const state = (await this.#script('state', 0)) as [epoch: string, shards: string] | null;
    return state === null ? undefined : { epoch: Number(state[0]), shards: Number(state[1]) };
  }

  /** Those that are not dropped, oldest first. */
  async #epochs(): Promise<{ epoch: number; entries: number }[]> {
    const reply = (await this.#script('epochs', 0)) as (string | number)[];
    const epochs = reply.flatMap((value, i) => (i % 2 === 0 ? [{ epoch: Number(value), entries: Number(reply[i + 1]) }] : []));
    return epochs.sort((a, b) => a.epoch - b.epoch);
  }
}

function tailOf(reply: Reply): AcceptTail | undefined {
  if (!Array.isArray(reply)) return undefined;
  const [opening = 0, head = 0, rev = 0, savedHead = 0, savedRev = 0] = reply.map(Number);
  return { opening, head, rev, savedHead, savedRev };
}
