import { setTimeout as sleep } from 'node:timers/promises';
import type { LoadClient } from './client.ts';
import type { LoadContext } from './context.ts';
import { nowUs } from './mid.ts';
import { intendedMs } from './schedule.ts';

const CONNECTS_AT_ONCE = 50;
/** How long a client that flaps stays, and stays away; for all at once in mode resume. */
const FLAP_EVERY_MS = 2_000;
const AWAY_MS = 300;

/** Connects everyone, some at a time. A refused client is counted and does not take part. */
export async function connectAll(clients: readonly LoadClient[], context: LoadContext): Promise<void> {
  const waiting = [...clients];
  const one = async () => {
    for (let client = waiting.shift(); client !== undefined; client = waiting.shift()) await attempt(client, context);
  };
  await Promise.all(Array.from({ length: CONNECTS_AT_ONCE }, one));
}

async function attempt(client: LoadClient, context: LoadContext, intendedUs?: number): Promise<void> {
  await client.connect(intendedUs).catch(() => context.error('not connected'));
}

/** Does what is due, when it is due, until the duration is over. */
export class Pace {
  readonly #clients: readonly LoadClient[];
  readonly #context: LoadContext;
  readonly #startUs: number;
  readonly #endUs: number;

  constructor(clients: readonly LoadClient[], context: LoadContext, startUs: number) {
    this.#clients = clients;
    this.#context = context;
    this.#startUs = startUs;
    this.#endUs = startUs + context.options.durationMs * 1_000;
  }

  async run(): Promise<void> {
    const { mode, closedLoop } = this.#context.options;
    if (mode === 'connect') return this.#connects();
    const flapping = mode === 'resume' ? this.#outage() : this.#flaps();
    await (closedLoop ? this.#closedLoop() : this.#openLoop());
    await flapping;
  }

  /** All senders have one interval, so their turns come round in one order. */
  async #openLoop(): Promise<void> {
    const { options } = this.#context;
    const senders = this.#clients.filter(({ plan }) => plan.sends);
    for (let n = 0; ; n++) {
      for (const client of senders) {
        const dueUs = this.#startUs + Math.round(intendedMs(options, client.plan.index, n) * 1_000);
        if (dueUs >= this.#endUs) return await this.#until(this.#endUs);
        await this.#until(dueUs);
        this.#context.record('lag', dueUs, nowUs());
        client.send(n, dueUs);
      }
      if (senders.length === 0) return await this.#until(this.#endUs);
    }
  }

  async #closedLoop(): Promise<void> {
    const { options } = this.#context;
    for (const client of this.#clients.filter(({ plan }) => plan.sends)) {
      let n = 0;
      const send = () => nowUs() < this.#endUs && client.send(n++, nowUs());
      client.onAnswer = () => void setTimeout(send, options.msgIntervalMs);
      setTimeout(send, intendedMs(options, client.plan.index, 0));
    }
    await this.#until(this.#endUs);
  }

  /** Connections by the clock, spread over the duration. */
  async #connects(): Promise<void> {
    const { durationMs, clients } = this.#context.options;
    const pending: Promise<void>[] = [];
    for (const client of this.#clients) {
      const dueUs = this.#startUs + Math.round((client.plan.index / clients) * durationMs * 1_000);
      await this.#until(dueUs);
      this.#context.record('lag', dueUs, nowUs());
      pending.push(attempt(client, this.#context, dueUs));
    }
    await Promise.all(pending);
  }

  async #flaps(): Promise<void> {
    const flapping = this.#clients.filter(({ plan }) => plan.flaps);
    await Promise.all(
      flapping.map(async (client, at) => {
        const firstUs = this.#startUs + (FLAP_EVERY_MS * 1_000 * (at + 1)) / (flapping.length + 1);
        for (let atUs = firstUs; atUs + AWAY_MS * 1_000 < this.#endUs; atUs += FLAP_EVERY_MS * 1_000) {
          await this.#until(atUs);
          await this.#away(client);
        }
      }),
    );
  }

  /** In the middle everyone is cut off at once, and comes back at once. */
  async #outage(): Promise<void> {
    await this.#until((this.#startUs + this.#endUs) / 2);
    await Promise.all(this.#clients.map((client) => this.#away(client)));
  }

  async #away(client: LoadClient): Promise<void> {
    client.drop();
    await sleep(AWAY_MS);
    await attempt(client, this.#context);
  }

  async #until(atUs: number): Promise<void> {
    const ms = (atUs - nowUs()) / 1_000;
    if (ms > 0) await sleep(Math.ceil(ms));
  }
}
