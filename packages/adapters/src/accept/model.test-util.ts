import type { Accepted, AcceptGroup, AcceptLog, AcceptOutcome, AcceptRequest, FirstOutcome, ShardEntry } from '@gapless/core';
import { isUlid } from '@gapless/kit';
import { ask, opening, ulidOf } from '@gapless/testkit/contract';
import { expect } from 'vitest';
import { CIDS, type Request, type Step } from './model-steps.test-util.ts';
import { shardHashOf } from './rules.ts';

/** Few of everything, so that limits are met all the time. */
export const MODEL = { shards: 2, backlogMax: 9, memory: { mids: 3, ms: 0 } } as const;

/** Refused so, those behind it are refused as well. */
const HOLD_BACK: readonly string[] = ['unsure', 'stale', 'full', 'busy'];

interface Conversation {
  state: 'opening' | 'open' | 'held';
  opening: number;
  first: number;
  /** When it was opened. */
  from: number;
  head: number;
  savedHead: number;
  reserved: number;
  knownFrom: string;
  /** Of every mid that the log was told of since it was opened. */
  firsts: Map<string, FirstOutcome>;
}

/** What the store has of it. `changes`: revs that are no messages. */
interface Stored {
  head: number;
  changes: number;
  readonly firsts: Map<string, FirstOutcome>;
}

interface Shard {
  entries: ShardEntry[];
  readonly unread: Record<AcceptGroup, string[]>;
  readonly pending: Record<AcceptGroup, string[]>;
}

/**
 * What an accept log is, in the simplest words there are: lists. Does each step with it and with a real log, over several connections; the
 * answers must be the same. A mid that is saved may be forgotten, and an opening get old: there two answers are right.
 */
export class Model {
  readonly #logs: readonly AcceptLog[];
  readonly #epoch: number;
  readonly #admitted = new Set<string>();
  /** The newest one. */
  #opening = 0;
  /** The newest one of each node and conversation. */
  readonly #own = new Map<string, number>();
  readonly #conversations = new Map<string, Conversation>();
  readonly #stored = new Map<string, Stored>(CIDS.map((cid) => [cid, { head: 0, changes: 0, firsts: new Map() }]));
  readonly #shards: Shard[] = [0, 1].map(() => ({ entries: [], unread: { save: [], deliver: [] }, pending: { save: [], deliver: [] } }));

  constructor(logs: readonly AcceptLog[], epoch: number) {
    this.#logs = logs;
    this.#epoch = epoch;
  }

  async step(node: number, step: Step): Promise<void> {
    const log = this.#logs[node]!;
    switch (step.do) {
      case 'accept':
        return this.#accept(log, step.requests);
      case 'intend':
        return this.#intend(log, step.cid, node);
      case 'open':
        return this.#open(log, step.cid, { node, size: step.size });
      case 'hold':
        return this.#hold(log, step.cid);
      case 'close':
        return this.#close(log, step);
      case 'admit':
        this.#admitted.add(step.node);
        return log.admit(this.#epoch, step.node);
      case 'bar':
        this.#admitted.delete(step.node);
        return void (await log.bar(this.#epoch, step.node));
      case 'save':
        return this.#save(log, step);
      case 'read':
        return this.#read(log, step);
      case 'reclaim':
        return this.#reclaim(log, step);
      case 'delivered':
        return this.#delivered(log, step);
      case 'look':
        return this.#look(log, step);
    }
  }

  /** Everything that can be asked. */
  async compare(): Promise<void> {
    for (const log of this.#logs) {
      for (const cid of CIDS) await this.#look(log, { cid, after: 0, limit: 1_000 });
      for (const [shard, { entries }] of this.#shards.entries())
        expect(await log.entries(this.#epoch, shard, { after: '', limit: 1_000 })).toEqual(entries);
      expect((await log.backlog(this.#epoch)).entries).toBe(this.#waiting);
    }
  }

  get #waiting(): number {
    return this.#shards.reduce((sum, { entries }) => sum + entries.length, 0);
  }

  async #accept(log: AcceptLog, requests: readonly Request[]): Promise<void> {
    const asked = requests.map(({ cid, mid, looked, ...rest }) =>
      ask(cid, mid, { ...defined(rest), looked: looked && !this.#isStored(cid, mid) }),
    );
    const outcomes = await log.accept(this.#epoch, asked);
    const given: Accepted[] = [];
    const refused = new Map<string, AcceptOutcome>();
    for (const [i, request] of asked.entries()) {
      const { cid } = request.send;
      const outcome = outcomes[i]!;
      const right = this.#answersIn(refused, request, this.#waiting + given.length);
      expect(right.map(brief), `${JSON.stringify(request.send)} looked: ${request.looked}`).toContainEqual(brief(outcome));
      if (!outcome.ok && HOLD_BACK.includes(outcome.code)) refused.set(cid, outcome);
      if (!outcome.ok || outcome.dup) continue;
      const conversation = this.#conversations.get(cid)!;
      const { seq, rev } = outcome;
      conversation.head = seq;
      const { mid, at, from, digest } = request.send;
      conversation.firsts.set(mid, { mid, seq, rev, at, from, digest });
      const { membersRev: _membersRev, ...send } = request.send;
      given.push({ epoch: this.#epoch, seq, rev, node: request.node, send });
    }
    await this.#take(log, given);
  }

  /** The entries of what was accepted: behind all others, in order. */
  async #take(log: AcceptLog, given: readonly Accepted[]): Promise<void> {
    for (const [i, shard] of this.#shards.entries()) {
      const after = shard.entries.at(-1)?.id ?? '';
      const fresh = (await log.entries(this.#epoch, i, { after, limit: 1_000 })).filter(({ id }) =>
        shard.entries.every((each) => each.id !== id),
      );
      expect(fresh.map(({ accepted }) => accepted)).toEqual(given.filter(({ send }) => shardHashOf(send.cid) % 2 === i));
      shard.entries.push(...fresh);
      for (const group of ['save', 'deliver'] as const) shard.unread[group].push(...fresh.map(({ id }) => id));
    }
  }

  #isStored(cid: string, mid: string): boolean {
    const first = this.#conversations.get(cid)?.firsts.get(mid);
    return this.#stored.get(cid)!.firsts.has(mid) || (first !== undefined && first.seq <= this.#conversations.get(cid)!.savedHead);
  }

  /** The right ones, where these were refused before in the same call. */
  #answersIn(refused: ReadonlyMap<string, AcceptOutcome>, { node, send, looked }: AcceptRequest, waiting: number): AcceptOutcome[] {
    if (!this.#admitted.has(node)) return [no('over')];
    const before = refused.get(send.cid);
    const own = this.#answers(send, looked, waiting);
    if (before === undefined) return own;
    return own.map((answer) => (!answer.ok && (answer.code === 'mid_conflict' || answer.code === 'bad_frame') ? answer : before));
  }

  /** The right ones. */
  #answers(send: Accepted['send'], looked: boolean, waiting: number): AcceptOutcome[] {
    const { cid, mid } = send;
    const of = this.#conversations.get(cid);
    if (of === undefined) return [no('closed')];
    if (of.state !== 'open') return of.state === 'held' ? [no('held')] : [no('opening'), no('closed')];
    if (send.membersRev === 1) return [no('stale')];
    if ((send.replyTo ?? 0) > of.head) return [{ ...no('bad_frame'), say: 'replyTo: there is no such message' }];
    const first = of.firsts.get(mid);
    const known = first === undefined ? [] : [repeated(first, send.digest, of.savedHead)];
    if (first !== undefined && first.seq > of.savedHead) return known;
    if (of.head >= of.reserved) return [...known, no('full')];
    if (waiting >= MODEL.backlogMax) return [...known, no('busy')];
    if (first !== undefined || this.#isStored(cid, mid)) return [...known, no('unsure')];
    const seq = of.head + 1;
    const rev = seq + this.#stored.get(cid)!.changes;
    const fresh: AcceptOutcome = { ok: true, seq, rev, at: send.at, dup: false, saved: false };
    if (looked) return [fresh];
    if (!isUlid(mid) || mid <= of.knownFrom) return [no('unsure')];
    return [...of.firsts.keys()].some((other) => isUlid(other) && other >= mid) ? [fresh, no('unsure')] : [fresh];
  }

  async #intend(log: AcceptLog, cid: string, node: number): Promise<void> {
    const of = this.#conversations.get(cid);
    const answer = await log.intend(this.#epoch, cid);
    if (typeof answer === 'string') return expect(answer).toBe(of?.state);
    const { opening, first } = answer;
    expect(opening).toBeGreaterThan(this.#opening);
    expect([undefined, 'opening']).toContain(of?.state);
    expect(first).toBe(of?.first ?? opening);
    this.#opening = opening;
    this.#own.set(`${node} ${cid}`, opening);
    const nothing = { from: 0, head: 0, savedHead: 0, reserved: 0, knownFrom: '', firsts: new Map() };
    this.#conversations.set(cid, { state: 'opening', opening, first, ...nothing });
  }

  async #open(log: AcceptLog, cid: string, { node, size }: { node: number; size: number }): Promise<void> {
    const { head, changes, firsts } = this.#stored.get(cid)!;
    const knownFrom = ulidOf(5 * size);
    const mids = [...firsts.values()].filter(({ mid }) => mid > knownFrom);
    const reserved = head + size;
    const own = this.#own.get(`${node} ${cid}`) ?? 0;
    const opened = await log.open(this.#epoch, opening(cid, { opening: own, head, rev: head + changes, reserved, knownFrom, mids }));
    const of = this.#conversations.get(cid);
    if (of?.state === 'opening' && of.opening === own) {
      const known = new Map(mids.map((first) => [first.mid, first]));
      this.#conversations.set(cid, { ...of, state: 'open', from: head, head, savedHead: head, reserved, knownFrom, firsts: known });
    }
    expect(opened).toBe(of !== undefined && (of.state !== 'opening' || of.opening === own));
  }

  async #hold(log: AcceptLog, cid: string): Promise<void> {
    expect(await log.hold(this.#epoch, cid)).toEqual(this.#tail(cid));
    const of = this.#conversations.get(cid);
    if (of?.state === 'open') of.state = 'held';
  }

  async #close(log: AcceptLog, { cid, older }: Step & { do: 'close' }): Promise<void> {
    const of = this.#conversations.get(cid);
    await log.close(this.#epoch, cid, { opening: (of?.opening ?? 1) - older, holdMs: 0 });
    if (of?.state !== 'held' || older > 0) return;
    // The store has all of it, whether the log was told or not.
    for (const { entries } of this.#shards) for (const { accepted } of entries) if (accepted.send.cid === cid) this.#store(accepted);
    this.#conversations.delete(cid);
    this.#stored.get(cid)!.changes++;
  }

  async #save(log: AcceptLog, { shard: i, count, size }: Step & { do: 'save' }): Promise<void> {
    const shard = this.#shards[i]!;
    const going = shard.entries.slice(0, count);
    const last = new Map(going.map(({ accepted }) => [accepted.send.cid, accepted]));
    const upTo = [...last].map(([cid, { seq, rev }]) => ({ cid, head: seq, rev, reserved: seq + size }));
    await log.saved(this.#epoch, i, idsOf(going), upTo);
    shard.entries = shard.entries.slice(count);
    for (const list of [shard.unread, shard.pending])
      for (const group of ['save', 'deliver'] as const) list[group] = without(list[group], idsOf(going));
    for (const { cid, head, reserved } of upTo) {
      const of = this.#conversations.get(cid);
      if (of === undefined) continue;
      if (head > of.savedHead) of.reserved = Math.max(of.reserved, reserved);
      of.savedHead = Math.max(of.savedHead, head);
    }
    for (const { accepted } of going) this.#store(accepted);
  }

  #store({ seq, rev, send }: Accepted): void {
    const { cid, mid, at, from, digest } = send;
    const stored = this.#stored.get(cid)!;
    if (seq <= stored.head) return;
    stored.head = seq;
    stored.firsts.set(mid, { mid, seq, rev, at, from, digest });
  }

  async #read(log: AcceptLog, { group, count }: Step & { do: 'read' }): Promise<void> {
    const expected = this.#shards.map(({ entries, unread, pending }, shard) => {
      const ids = unread[group].splice(0, count);
      pending[group].push(...ids);
      return { shard, entries: entries.filter(({ id }) => ids.includes(id)) };
    });
    const read = await log.read(this.#epoch, group, { shards: [0, 1], node: 'n', count, blockMs: 0 });
    expect(read).toEqual(expected.filter(({ entries }) => entries.length > 0));
  }

  async #reclaim(log: AcceptLog, { group, shard: i, count }: Step & { do: 'reclaim' }): Promise<void> {
    const { entries, pending } = this.#shards[i]!;
    const ids = pending[group].slice(0, count);
    expect(await log.reclaim(this.#epoch, group, { shard: i, node: 'n', count })).toEqual(entries.filter(({ id }) => ids.includes(id)));
  }

  async #delivered(log: AcceptLog, { shard: i, count }: Step & { do: 'delivered' }): Promise<void> {
    const { pending } = this.#shards[i]!;
    await log.delivered(this.#epoch, i, pending.deliver.slice(0, count));
    pending.deliver = pending.deliver.slice(count);
  }

  async #look(log: AcceptLog, { cid, after, limit }: { cid: string; after: number; limit: number }): Promise<void> {
    expect(await log.tails(this.#epoch, [cid])).toEqual([this.#tail(cid)]);
    const { entries } = this.#shards[shardHashOf(cid) % 2]!;
    const of = this.#conversations.get(cid);
    const waiting = entries
      .map(({ accepted }) => accepted)
      // What an earlier opening left is in the store.
      .filter(({ send, seq, rev }) => of !== undefined && of.state !== 'opening' && send.cid === cid && seq > of.from && rev > after);
    expect(await log.pending(this.#epoch, cid, { after, limit })).toEqual(waiting.slice(0, limit));
  }

  #tail(cid: string) {
    const of = this.#conversations.get(cid);
    if (of === undefined || of.state === 'opening') return undefined;
    const { changes } = this.#stored.get(cid)!;
    return { opening: of.opening, head: of.head, rev: of.head + changes, savedHead: of.savedHead, savedRev: of.savedHead + changes };
  }
}

function repeated({ seq, rev, at, digest }: FirstOutcome, asked: string, savedHead: number): AcceptOutcome {
  return digest === asked ? { ok: true, seq, rev, at, dup: true, saved: seq <= savedHead } : no('mid_conflict');
}

function no(code: (AcceptOutcome & { ok: false })['code']): AcceptOutcome & { ok: false } {
  return { ok: false, code };
}

/** As a text, so that a failure shows what was right. */
const brief = (outcome: AcceptOutcome) => JSON.stringify(Object.entries(outcome).toSorted());

const idsOf = (entries: readonly ShardEntry[]) => entries.map(({ id }) => id);

const without = (ids: readonly string[], gone: readonly string[]) => ids.filter((id) => !gone.includes(id));

function defined<T extends object>(fields: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as never;
}
