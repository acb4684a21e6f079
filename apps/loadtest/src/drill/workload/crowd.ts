import { setTimeout as sleep } from 'node:timers/promises';
import { seededRandom } from '@gapless/kit';
import { HistoryWriter } from '../../load/history-writer.ts';
import { Acks } from './acks.ts';
import type { Member } from './member.ts';
import { RawMember } from './raw-member.ts';
import { Recorder } from './recorder.ts';
import { Route } from './route.ts';
import { SdkMember } from './sdk-member.ts';
import type { Screen } from './shown.ts';

export interface CrowdOptions {
  /** Origins; each client begins at another one, and goes to the next when a connection ends. */
  readonly urls: readonly string[];
  readonly clients: number;
  readonly ratePerSec: number;
  readonly seed: number;
  /** NDJSON of what all clients saw. */
  readonly history: string;
  token(user: string): string;
  createGroup(participants: readonly string[]): Promise<string>;
}

/** Large enough that its members are on all nodes, small enough that nobody is asked to pull. */
const GROUP_SIZE = 10;
/** Of three clients two use the SDK. */
const RAW_EVERY = 3;
/** Who comes last, and reads the whole history. */
export const READER = 'drill-reader';
const TICK_MS = 10;
const POLL_MS = 50;
/** All clients get in before anything is broken. */
const ENTER_MS = 60_000;

/** Clients in conversations of their own, who send by the clock whatever happens. */
export class Crowd {
  readonly cids: readonly string[];
  readonly acks: Acks;
  readonly #members: readonly Member[];
  readonly #history: HistoryWriter;
  readonly #ratePerSec: number;
  readonly #random: () => number;
  #sent = 0;
  #sending: Promise<void> | undefined;
  #hushed = false;

  private constructor(fields: { cids: string[]; members: Member[]; acks: Acks; history: HistoryWriter; options: CrowdOptions }) {
    this.cids = fields.cids;
    this.acks = fields.acks;
    this.#members = fields.members;
    this.#history = fields.history;
    this.#ratePerSec = fields.options.ratePerSec;
    this.#random = seededRandom(fields.options.seed);
  }

  /** Resolves when all are in their conversations. */
  static async gather(options: CrowdOptions): Promise<Crowd> {
    const [acks, history] = [new Acks(), new HistoryWriter(options.history, 'drill')];
    const users = Array.from({ length: options.clients }, (_, i) => `drill-u${i}`);
    const cids: string[] = [];
    const members: Member[] = [];
    for (let at = 0; at < users.length; at += GROUP_SIZE) {
      const group = users.slice(at, at + GROUP_SIZE);
      const cid = await options.createGroup([...group, READER]);
      cids.push(cid);
      for (const [i, user] of group.entries()) {
        const recorder = new Recorder({ user, cid, history, acks });
        const Kind = (at + i) % RAW_EVERY === RAW_EVERY - 1 ? RawMember : SdkMember;
        // Both kinds on each node.
        const route = new Route(options.urls, Math.floor((at + i) / RAW_EVERY));
        members.push(new Kind({ user, token: options.token(user), recorder, route }));
      }
    }
    const crowd = new Crowd({ cids, members, acks, history, options });
    const entering = Promise.all(members.map((member) => member.enter())).then(() => true);
    const entered = await Promise.race([entering, sleep(ENTER_MS, false, { ref: false })]);
    if (entered) return crowd;
    crowd.close();
    throw new Error(`not all clients got in within ${ENTER_MS / 1_000} s`);
  }

  /** Messages said so far. */
  get sent(): number {
    return this.#sent;
  }

  get reconnects(): number {
    return this.connections.reduce((sum, count) => sum + count - 1, 0);
  }

  /** How often each client has dialed so far. */
  get connections(): number[] {
    return this.#members.map(({ recorder }) => recorder.connections);
  }

  /** Everyone sends from now on, until `hush`. */
  begin(): void {
    this.acks.begin();
    this.#sending = this.#send();
  }

  async hush(): Promise<void> {
    this.#hushed = true;
    await this.#sending;
  }

  /** Resolves to how many have something that is not saved after that time. */
  async answered(withinMs: number): Promise<number> {
    return this.#until(({ settled }) => settled, withinMs);
  }

  /** Resolves to how many are not in their conversation after that time, of those that lost their connection or did not. */
  async together(withinMs: number): Promise<number> {
    return this.#until(({ recorder }) => recorder.joined, withinMs);
  }

  /** Resolves to how many have not all up to the head of their conversation after that time, or do not show it. */
  async caughtUp(heads: ReadonlyMap<string, number>, withinMs: number): Promise<number> {
    return this.#until((member) => hasAll(member, heads.get(member.recorder.cid)!), withinMs);
  }

  /** What apps show now. */
  screens(): Screen[] {
    return this.#members.flatMap((member) => {
      const shown = member.shown();
      const { user, cid } = member.recorder;
      return shown === undefined ? [] : [{ user, cid, shown }];
    });
  }

  problems(): string[] {
    return this.#members.flatMap((member) => member.problems());
  }

  /** The end: who is connected now has had all the time it needed. */
  finish(): void {
    for (const { recorder } of this.#members) recorder.drained();
    this.close();
    this.#history.close();
  }

  close(): void {
    this.#hushed = true;
    for (const member of this.#members) member.close();
  }

  /** By the clock: what is late is made up for. */
  async #send(): Promise<void> {
    const startedAt = performance.now();
    for (; !this.#hushed; await sleep(TICK_MS)) {
      const due = Math.floor(((performance.now() - startedAt) / 1_000) * this.#ratePerSec);
      for (; this.#sent < due; this.#sent++) this.#members[Math.floor(this.#random() * this.#members.length)]!.say(`message ${this.#sent}`);
    }
  }

  async #until(fits: (member: Member) => boolean, withinMs: number): Promise<number> {
    const end = performance.now() + withinMs;
    for (;;) {
      const left = this.#members.filter((member) => !fits(member)).length;
      if (left === 0 || performance.now() > end) return left;
      await sleep(POLL_MS);
    }
  }
}

/** Received, and where there is a screen, on it. */
function hasAll(member: Member, head: number): boolean {
  const { joined, newest } = member.recorder;
  return joined && newest >= head && member.shows(head);
}
