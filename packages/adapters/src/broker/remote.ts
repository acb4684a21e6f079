import type { Broker, BrokerWatch, Topic, TopicListener } from '@gapless/core';
import { Backoff, systemClock } from '@gapless/kit';
import type { Line, OpenLine } from './line.ts';
import { Wishes } from './wishes.ts';
import { within } from './within.ts';

/** First ceiling of the wait before a lost connection is tried again; most outages are a restart. */
const RETRY_BASE_MS = 50;
/** Last ceiling: how long after the server is back nodes may still be without it. */
const RETRY_MAX_MS = 2_000;
/** What held for so long is over: the next loss is tried again at once. */
const STABLE_MS = 10_000;
/** For connecting and listening to everything again; then the try is given up. */
const OPEN_TIMEOUT_MS = 15_000;
/** How often the connection is asked for an answer: a server that went without a word is noticed by that only. */
const HEARTBEAT_MS = 5_000;
/** For an answer of a server that is not overloaded. */
const CHECK_TIMEOUT_MS = 3_000;
/** For the last publications before it closes; a server that needs longer loses them. */
const FLUSH_TIMEOUT_MS = 2_000;
/** How long `subscribe` waits for a connection before it rejects: longer than a restart of the server, shorter than a caller's patience. */
const SUBSCRIBE_TIMEOUT_MS = 15_000;

export interface RemoteBrokerOptions {
  open: OpenLine;
  /** For the log: each lost connection, each try that failed, each publication the server refused, each listener that threw. */
  onError?: (error: unknown) => void;
}

/**
 * A broker over a server that may go away: one line after the other.
 *
 * 1. It opens a line and listens to everything that is wanted.
 * 2. The line is lost: it says so itself, or leaves a heartbeat unanswered. From here publications and checks reject.
 * 3. Again from 1, with backoff; then the watchers hear `restored`.
 *
 * @throws when the first line cannot be opened: then it is more likely a wrong setting than an outage.
 */
export async function openRemoteBroker({ open, onError = () => {} }: RemoteBrokerOptions): Promise<Broker> {
  const broker = new RemoteBroker(open, onError);
  await broker.start();
  return broker;
}

class RemoteBroker implements Broker {
  readonly capabilities: Broker['capabilities'];
  readonly #open: OpenLine;
  readonly #onError: (error: unknown) => void;
  readonly #wishes: Wishes;
  readonly #watches = new Set<BrokerWatch>();
  readonly #closing = new AbortController();
  /** Ends the line that is open, or being opened. */
  #lose: (reason: unknown) => void = () => {};
  readonly #backoff = new Backoff({ baseMs: RETRY_BASE_MS, maxMs: RETRY_MAX_MS, random: Math.random });
  /** Carries publications: connected, and everything is listened to. */
  #line: Line | undefined;
  #payloadMaxBytes = 0;
  #away: unknown;
  #kept: Promise<void> | undefined;

  constructor(open: OpenLine, onError: (error: unknown) => void) {
    this.#open = open;
    this.#onError = onError;
    this.#wishes = new Wishes(onError);
    const payloadMaxBytes = () => this.#payloadMaxBytes;
    this.capabilities = {
      multiProcess: true,
      get payloadMaxBytes() {
        return payloadMaxBytes();
      },
    };
  }

  async start(): Promise<void> {
    this.#kept = this.#keep(await this.#connect());
  }

  async publish(topic: Topic, payload: string): Promise<void> {
    const line = this.#serving();
    const bytes = Buffer.byteLength(payload);
    if (bytes > line.payloadMaxBytes) throw new RangeError(`a payload of ${bytes} bytes; the broker takes ${line.payloadMaxBytes}`);
    line.publish(topic, payload, bytes);
  }

  async subscribe(topic: Topic, listener: TopicListener): Promise<() => void> {
    this.#refuseClosed();
    const { listened, stop } = this.#wishes.add(topic, listener);
    try {
      await within(SUBSCRIBE_TIMEOUT_MS, 'listening to a topic', listened);
    } catch (error) {
      stop();
      throw error;
    }
    return stop;
  }

  watch(watch: BrokerWatch): () => void {
    const own = { ...watch };
    this.#watches.add(own);
    return () => this.#watches.delete(own);
  }

  async check(): Promise<void> {
    await within(CHECK_TIMEOUT_MS, 'the check of the broker', this.#serving().check());
  }

  async close(): Promise<void> {
    const reason = new Error('the broker is closed');
    this.#closing.abort();
    this.#watches.clear();
    this.#wishes.clear(reason);
    // Who leaves may have said so just now.
    if (this.#line !== undefined) await within(FLUSH_TIMEOUT_MS, 'the last publications', this.#line.flush()).catch(this.#onError);
    this.#lose(reason);
    await this.#kept;
  }

  #refuseClosed(): void {
    if (this.#closing.signal.aborted) throw new Error('the broker is closed');
  }

  #serving(): Line {
    this.#refuseClosed();
    if (this.#line === undefined) throw new Error('the broker is away', { cause: this.#away });
    return this.#line;
  }

  async #keep(first: Session): Promise<void> {
    for (let session: Session | undefined = first; session !== undefined; session = await this.#reconnect()) {
      if (session !== first) this.#tell((watch) => watch.restored?.());
      const since = performance.now();
      this.#away = await this.#end(session);
      if (performance.now() - since > STABLE_MS) this.#backoff.reset();
      this.#line = undefined;
      this.#wishes.leave();
      if (!this.#closing.signal.aborted) this.#onError(this.#away);
      await closeQuietly(session.line);
    }
  }

  /** Resolves with the reason when the line is lost or leaves a heartbeat unanswered. */
  async #end({ line, lost }: Session): Promise<unknown> {
    const { promise: unanswered, resolve } = Promise.withResolvers<unknown>();
    const stop = systemClock.every(HEARTBEAT_MS, () => void within(CHECK_TIMEOUT_MS, 'the heartbeat', line.check()).catch(resolve));
    try {
      return await Promise.race([lost, unanswered]);
    } finally {
      stop();
    }
  }

  /** Nothing when the broker was closed meanwhile. */
  async #reconnect(): Promise<Session | undefined> {
    for (;;) {
      await systemClock.sleep(this.#backoff.next(), this.#closing.signal);
      if (this.#closing.signal.aborted) return undefined;
      try {
        return await this.#connect();
      } catch (error) {
        this.#away = error;
        if (!this.#closing.signal.aborted) this.#onError(error);
      }
    }
  }

  async #connect(): Promise<Session> {
    const { promise: lost, resolve } = Promise.withResolvers<unknown>();
    this.#lose = resolve;
    const opening = this.#open({ lost: resolve, refused: this.#onError, restarted: (error) => this.#restarted(error) });
    try {
      const line = await within(OPEN_TIMEOUT_MS, 'connecting to the broker', Promise.race([opening, failed(lost)]));
      await within(OPEN_TIMEOUT_MS, 'listening again', Promise.race([this.#wishes.enter(line), failed(lost)]));
      this.#payloadMaxBytes = line.payloadMaxBytes;
      this.#line = line;
      return { line, lost };
    } catch (error) {
      this.#wishes.leave();
      void opening.then(closeQuietly, () => {});
      throw error;
    }
  }

  #restarted(error: unknown): void {
    this.#onError(error);
    this.#tell((watch) => watch.restarted?.(error));
  }

  #tell(call: (watch: BrokerWatch) => void): void {
    for (const watch of this.#watches) {
      try {
        call(watch);
      } catch (error) {
        this.#onError(error);
      }
    }
  }
}

interface Session {
  line: Line;
  /** Resolves with the reason. */
  lost: Promise<unknown>;
}

async function failed(reason: Promise<unknown>): Promise<never> {
  throw await reason;
}

/** What is thrown away anyway may fail at it, and may not hold up what comes after. */
async function closeQuietly(line: Line): Promise<void> {
  await within(CHECK_TIMEOUT_MS, 'closing', line.close()).catch(() => {});
}
