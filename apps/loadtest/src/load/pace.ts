import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises';
import { backoffMs } from './backoff.ts';
import type { LoadClient } from './client.ts';
import { nowUs } from './clock.ts';
import type { LoadContext } from './context.ts';
import { intendedMs } from './schedule.ts';

const CONNECTS_AT_ONCE = 50;
const FIRST_TRIES = 5;
/** How long a client that flaps stays, and stays away. */
const FLAP_EVERY_MS = 2_000;
const AWAY_MS = 300;
/** Sends in a row, when the generator is late, before it reads again. */
const SENDS_PER_TURN = 64;
/** Each client acknowledges once in so many ticks. */
const ACK_TICKS = 10;
const ACK_TICK_MS = 100;
const POLL_MS = 5;

/** Connects everyone, at the rate asked for or some at a time. Who is refused five times does not take part, but is missed. */
export async function connectAll(clients: readonly LoadClient[], context: LoadContext, onConnected: () => void): Promise<void> {
  const { connectRate } = context.options;
  const startUs = nowUs();
  let next = 0;
  const one = async () => {
    for (let client = clients[next++]; client !== undefined; client = clients[next++]) {
      const dueUs = connectRate === 0 ? undefined : startUs + Math.round((client.plan.index / connectRate) * 1e6);
      if (dueUs !== undefined) await until(dueUs);
      if (await enter(client, context, dueUs ?? nowUs(), FIRST_TRIES)) onConnected();
    }
  };
  await Promise.all(Array.from({ length: CONNECTS_AT_ONCE }, one));
}

/** Whether it got in. Its latency counts from the first try: the failed ones are part of it. */
async function enter(client: LoadClient, context: LoadContext, firstUs: number, tries: number): Promise<boolean> {
  for (let attempt = 0; attempt < tries && !client.over; attempt++) {
    if (attempt > 0) await sleep(backoffMs(attempt));
    try {
      await client.connect(firstUs);
      return true;
    } catch {
      context.error('not connected');
    }
  }
  client.giveUp();
  return false;
}

/** Mode resume: how the workers learn of one another that all their clients are back. */
export interface Storm {
  /** Those of this worker are. */
  tellReturned(): void;
  readonly over: Promise<void>;
}

/** Does what is due, when it is due, until the duration is over. */
export class Pace {
  readonly #clients: readonly LoadClient[];
  readonly #context: LoadContext;
  readonly #startUs: number;
  readonly #endUs: number;
  readonly #others: Storm;
  /** Mode resume: how long the last one took to return and catch up. */
  stormMs: number | undefined;
  cutUs: number | undefined;
  #storm: Promise<void> | undefined;

  constructor(clients: readonly LoadClient[], context: LoadContext, startUs: number, others: Storm) {
    this.#others = others;
    this.#clients = clients;
    this.#context = context;
    this.#startUs = startUs;
    this.#endUs = startUs + context.options.durationMs * 1_000;
  }

  async run(): Promise<void> {
    const { mode, closedLoop, acks } = this.#context.options;
    if (mode === 'connect') return this.#connects();
    const stopAcks = acks ? this.#acknowledge() : () => {};
    if (mode === 'resume') this.#storm = this.#outage();
    // Not waited for: a client that is away returns as any other, and when the server is gone it never does.
    void this.#flaps();
    await (closedLoop ? this.#closedLoop() : this.#openLoop());
    stopAcks();
  }

  /** Mode resume: until everyone is back, or the time of the drain is over. */
  async stormOver(untilUs: number): Promise<void> {
    if (this.#storm !== undefined) await Promise.race([this.#storm, until(untilUs)]);
    this.#context.stormEnds(nowUs());
  }

  /** All senders have one interval, so their turns come round in one order. */
  async #openLoop(): Promise<void> {
    const { options } = this.#context;
    const senders = this.#clients.filter(({ plan }) => plan.sends);
    let late = 0;
    for (let n = 0; senders.length > 0; n++) {
      for (const client of senders) {
        const dueUs = this.#startUs + Math.round(intendedMs(options, client.plan.index, n) * 1_000);
        if (dueUs >= this.#endUs) return await until(this.#endUs);
        if (dueUs > nowUs()) {
          late = 0;
          await until(dueUs);
        } else if (++late % SENDS_PER_TURN === 0) await turn();
        const atUs = nowUs();
        if (client.send(dueUs)) this.#context.record('lag', dueUs, atUs);
      }
    }
    await until(this.#endUs);
  }

  async #closedLoop(): Promise<void> {
    const { options } = this.#context;
    for (const client of this.#clients.filter(({ plan }) => plan.sends)) {
      const send = () => nowUs() < this.#endUs && client.send(nowUs());
      client.onAnswer = () => void setTimeout(send, options.msgIntervalMs);
      setTimeout(send, intendedMs(options, client.plan.index, 0));
    }
    await until(this.#endUs);
  }

  /** Connections by the clock, spread over the duration. */
  async #connects(): Promise<void> {
    const { durationMs, clients } = this.#context.options;
    const pending: Promise<boolean>[] = [];
    for (const client of this.#clients) {
      const dueUs = this.#startUs + Math.round((client.plan.index / clients) * durationMs * 1_000);
      await until(dueUs);
      this.#context.record('lag', dueUs, nowUs());
      pending.push(enter(client, this.#context, dueUs, 1));
    }
    await Promise.all(pending);
  }

  async #flaps(): Promise<void> {
    const flapping = this.#clients.filter(({ plan }) => plan.role === 'flaps');
    await Promise.all(
      flapping.map(async (client, at) => {
        const firstUs = this.#startUs + (FLAP_EVERY_MS * 1_000 * (at + 1)) / (flapping.length + 1);
        for (let atUs = firstUs; atUs + AWAY_MS * 1_000 < this.#endUs; atUs += FLAP_EVERY_MS * 1_000) {
          await until(atUs);
          // The last return may have taken long.
          if (nowUs() + AWAY_MS * 1_000 >= this.#endUs) return;
          if (!client.drop()) continue;
          await sleep(AWAY_MS);
          await client.return({ atOnce: true });
        }
      }),
    );
  }

  /** In the middle all but the steady ones are cut off at once, and return. */
  async #outage(): Promise<void> {
    const { resumeAtOnce } = this.#context.options;
    await until((this.#startUs + this.#endUs) / 2);
    const cutUs = nowUs();
    this.#context.stormBegins(cutUs);
    this.cutUs = cutUs;
    const cut = this.#clients.filter((client) => !client.plan.steady && client.drop());
    await Promise.all(cut.map((client) => client.return({ atOnce: resumeAtOnce })));
    while (cut.some((client) => !client.over && !client.receiver.caughtUp)) await sleep(POLL_MS);
    this.stormMs = cut.length === 0 ? 0 : (nowUs() - cutUs) / 1_000;
    this.#others.tellReturned();
    await this.#others.over;
    this.#context.stormEnds(nowUs());
  }

  #acknowledge(): () => void {
    let tick = 0;
    const timer = setInterval(() => {
      tick++;
      for (let at = tick % ACK_TICKS; at < this.#clients.length; at += ACK_TICKS) this.#clients[at]!.acknowledge();
    }, ACK_TICK_MS);
    return () => clearInterval(timer);
  }
}

export async function until(atUs: number): Promise<void> {
  const ms = (atUs - nowUs()) / 1_000;
  if (ms > 0) await sleep(Math.ceil(ms));
}
