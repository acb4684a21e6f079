import type { Presence, PresenceState } from '@gapless/core';
import { type Clock, systemClock } from '@gapless/kit';
import { HEARTBEAT_MS, PRESENCE_GRACE_MS } from '@gapless/protocol';
import { createClients } from './clients.ts';
import { Hearing } from './hearing.ts';
import { inTime, REPLY_WAIT_MS } from './in-time.ts';
import { Registry } from './registry.ts';
import { CHANNEL, KEYS } from './script.ts';

export interface RedisPresenceOptions {
  url: string;
  /** Unique among the processes that ever use this Redis, also over restarts. */
  node: string;
  clock?: Clock;
  /** From the last connection of a user to `offline`. Less than `leaseMs`. */
  graceMs?: number;
  /** A node that says nothing for this long has lost its users. More than one heartbeat. */
  leaseMs?: number;
  /** Outages, and listeners that throw. Nothing is thrown to callers. */
  onError?: (error: unknown) => void;
}

/** Touches wait this long for others: one call for many users. */
const MERGE_MS = 100;

/** After a call that failed on a connection that stands: a Redis that is full or read-only is not asked ten times a second. */
const FAILED_WAIT_MS = 1_000;

/** How often a node looks for leases that are over; `offline` is late by this at most. */
const SWEEP_MS = 500;

/** Users in one call: about a millisecond in which Redis does nothing else. */
const STEPS_MAX = 500;

/**
 * Presence over all nodes: each holds a lease per user (not per connection) in Redis, renewed by touches, which are merged. One script
 * decides every change, by Redis's clock, and tells it once to all nodes; leases of a node that died are ended by whichever node looks
 * first. Opens also while Redis is away.
 *
 * - While Redis is away nothing is told, and `list` knows the users of this node alone: the others are offline, never seen.
 * - When it is back every node writes its users again. Who was online all the time is not told anew, also if Redis lost its data;
 *   and nobody goes offline for a lease that nobody could renew.
 * - A node that was cut off for less than five minutes hears afterwards what was told meanwhile. Not told is the end of a user whose node
 *   died while Redis lost its data; `list` has it right.
 * - Redis 6.2 or newer, without eviction (`noeviction` or `volatile-*`). The keys are of one slot; this client does not follow a
 *   cluster's redirections, so on Redis Cluster `url` must be the node that has it.
 */
export async function openRedisPresence(options: RedisPresenceOptions): Promise<Presence> {
  const presence = new RedisPresence(options);
  await presence.open();
  return presence;
}

class RedisPresence implements Presence {
  readonly capabilities = { multiProcess: true };
  readonly #clock: Clock;
  readonly #onError: (error: unknown) => void;
  readonly #settings: { node: string; leaseMs: number; graceMs: number };
  readonly #registry: Registry;
  readonly #hearing = new Hearing((state) => this.#tell(state));
  readonly #listeners = new Set<(state: PresenceState) => void>();
  readonly #client: ReturnType<typeof createClients>['client'];
  readonly #subscriber: ReturnType<typeof createClients>['subscriber'];
  #subscribed = false;
  /** Of the data in Redis, as last heard; another one means that it was lost. */
  #epoch: string | undefined;
  /** Redis was asked for its epoch since the connection was made. */
  #greeted = false;
  #step: Promise<void> | undefined;
  #steppedAt = 0;
  #failed = false;
  /** Leases are over that were too many for one step. */
  #more = false;
  #stopTimer = () => {};
  #closing: Promise<void> | undefined;

  constructor({ url, node, clock, graceMs, leaseMs, onError }: RedisPresenceOptions) {
    this.#clock = clock ?? systemClock;
    this.#onError = onError ?? (() => {});
    this.#settings = {
      // No space in it: the script has one between node and user.
      node: encodeURIComponent(node),
      leaseMs: leaseMs ?? 2 * HEARTBEAT_MS,
      graceMs: graceMs ?? PRESENCE_GRACE_MS,
    };
    // A heartbeat and this are less than the lease: a touch that is passed over is followed in time by one that is not.
    this.#registry = new Registry(this.#settings.leaseMs / 4);
    ({ client: this.#client, subscriber: this.#subscriber } = createClients(url, this.#onError));
  }

  /** Waits for the first answer of Redis, but not long. */
  async open(): Promise<void> {
    const first = Promise.withResolvers<void>();
    this.#client.on('ready', () => {
      this.#greeted = false;
      this.#failed = false;
      this.#registry.tellAll();
    });
    // Before it listens again: what comes by the channel then is newer than what was missed.
    for (const lost of ['reconnecting', 'end'] as const) this.#subscriber.on(lost, () => this.#hearing.interrupted());
    this.#subscriber.on('ready', () => {
      this.#hearing.interrupted();
      void this.#subscribe();
    });
    // It tries for ever, and its errors are events: it ends with close only.
    for (const client of [this.#client, this.#subscriber]) client.connect().catch(() => {});
    const everyMs = Math.min(MERGE_MS, this.#settings.leaseMs / 40);
    this.#stopTimer = this.#clock.every(everyMs, () => {
      if (this.#isUp() && this.#isTime()) void this.#sync().then(first.resolve);
    });
    await Promise.race([first.promise, this.#clock.sleep(REPLY_WAIT_MS)]);
  }

  touch(uid: string, conn: string): void {
    if (this.#closing === undefined) this.#registry.touch(uid, conn, this.#clock.now());
  }

  leave(uid: string, conn: string): void {
    if (this.#closing === undefined) this.#registry.leave(uid, conn);
  }

  async list(uids: readonly string[]): Promise<PresenceState[]> {
    if (uids.length === 0) return [];
    const stalled = this.#step !== undefined && this.#clock.now() - this.#steppedAt > REPLY_WAIT_MS;
    if (!this.#client.isReady || stalled) return this.#listHere(uids);
    try {
      const [counts, seen] = await inTime(
        this.#clock,
        Promise.all([this.#client.hmGet(KEYS.counts, [...uids]), this.#client.zmScore(KEYS.seen, [...uids])]),
      );
      return uids.map((uid, i) => {
        if (counts[i] != null || this.#registry.isHere(uid)) return { uid, online: true };
        const lastSeen = seen[i];
        return lastSeen == null ? { uid, online: false } : { uid, online: false, lastSeen };
      });
    } catch (error) {
      this.#onError(error);
      return this.#listHere(uids);
    }
  }

  onChange(listener: (state: PresenceState) => void): () => void {
    // One of its own for each call: the same function may listen twice.
    const own = (state: PresenceState) => listener(state);
    this.#listeners.add(own);
    return () => this.#listeners.delete(own);
  }

  close(): Promise<void> {
    this.#closing ??= this.#leaveAndEnd();
    return this.#closing;
  }

  async #leaveAndEnd(): Promise<void> {
    this.#stopTimer();
    this.#listeners.clear();
    await inTime(this.#clock, this.#step ?? Promise.resolve()).catch(this.#onError);
    this.#registry.leaveAll();
    if (this.#isUp()) await inTime(this.#clock, this.#sync()).catch(this.#onError);
    for (const client of [this.#client, this.#subscriber]) {
      client.removeAllListeners('error').on('error', () => {});
      client.destroy();
    }
  }

  #listHere(uids: readonly string[]): PresenceState[] {
    return uids.map((uid) => ({ uid, online: this.#registry.isHere(uid) }));
  }

  /** Its own changes must come back to a node, so nothing is said before it listens. */
  #isUp(): boolean {
    return this.#client.isReady && this.#subscriber.isReady && this.#subscribed && this.#step === undefined;
  }

  #isTime(): boolean {
    const sinceMs = Math.abs(this.#clock.now() - this.#steppedAt);
    if (this.#failed) return sinceMs >= FAILED_WAIT_MS;
    return this.#registry.due > 0 || this.#more || !this.#greeted || sinceMs >= Math.min(SWEEP_MS, this.#settings.leaseMs / 20);
  }

  /** Says what is due, in batches, one after the other. Never rejects. */
  #sync(): Promise<void> {
    const step = async () => {
      try {
        do await this.#say();
        while (this.#registry.due > 0);
        this.#failed = false;
      } catch (error) {
        this.#failed = true;
        this.#onError(error);
      } finally {
        this.#step = undefined;
      }
    };
    this.#step = step();
    return this.#step;
  }

  async #say(): Promise<void> {
    // Nothing is said to a Redis that may have lost its data before that is known.
    const steps = this.#greeted ? this.#registry.take(STEPS_MAX) : [];
    const sentAt = this.#clock.now();
    this.#steppedAt = sentAt;
    try {
      if (!this.#hearing.isComplete) await this.#hearMissed();
      const { epoch, more } = await this.#client.sync({ ...this.#settings, steps });
      if (this.#epoch !== undefined && this.#epoch !== epoch) this.#registry.dataLost();
      this.#epoch = epoch;
      this.#greeted = true;
      this.#more = more;
    } catch (error) {
      this.#registry.returned(steps);
      throw error;
    }
    this.#registry.confirm(steps, sentAt);
  }

  async #subscribe(): Promise<void> {
    if (this.#subscribed) return;
    try {
      await this.#subscriber.subscribe(CHANNEL, this.#heard);
      this.#subscribed = true;
    } catch (error) {
      this.#onError(error);
    }
  }

  async #hearMissed(): Promise<void> {
    const newest = await this.#client.xRevRange(KEYS.told, '+', '-', { COUNT: 1 });
    const from = this.#hearing.from(newest?.[0]?.id ?? '0-0');
    const missed = await this.#client.xRange(KEYS.told, `(${from}`, '+');
    this.#hearing.complete((missed ?? []).map(({ id, message }) => [id, message.changes ?? '[]'] as const));
  }

  #heard = (message: string): void => {
    try {
      this.#hearing.heard(message);
    } catch (error) {
      this.#onError(error);
    }
  };

  #tell(state: PresenceState): void {
    if (!state.online) this.#registry.leaseEnded(state.uid);
    for (const listener of this.#listeners) {
      try {
        listener(state);
      } catch (error) {
        this.#onError(error);
      }
    }
  }
}
