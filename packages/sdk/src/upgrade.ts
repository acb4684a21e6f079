import type { DownFrameOf } from '@gapless/protocol';
import { Line, type LineHost, type LineOptions } from './line.ts';

const FIRST_MS = 60_000;
/** Where it has worked before: a server that went away for a moment, most likely. */
const FIRST_PROVEN_MS = 5_000;
/** A network that lets no WebSocket through seldom begins to; half an hour costs nothing. */
const MAX_MS = 30 * 60_000;

export interface UpgradeOptions {
  readonly getToken: LineOptions['getToken'];
  readonly lineOptions: (token: string) => LineOptions;
  /** The better line is ready: it is the connection from here on, and the caller's. */
  readonly onReady: (line: Line, frame: DownFrameOf<'ready'>) => void;
}

/** While the connection stands on a lesser transport: tries the better one now and then, beside it. */
export class Upgrade {
  readonly #options: UpgradeOptions;
  readonly #host: LineHost = {
    onReady: (line, frame) => {
      this.#trial = undefined;
      this.stop();
      this.#options.onReady(line, frame);
    },
    // None before `ready`.
    onFrame() {},
    onLost: () => this.#again(),
  };
  #running = false;
  #firstMs = FIRST_MS;
  #waitMs = FIRST_MS;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #trial: Line | undefined;
  /** Of the current try; what belongs to another is stale. */
  #try = 0;

  constructor(options: UpgradeOptions) {
    this.#options = options;
  }

  /** `proven`: the better one has worked before. */
  start(proven: boolean): void {
    this.stop();
    this.#running = true;
    this.#firstMs = this.#waitMs = proven ? FIRST_PROVEN_MS : FIRST_MS;
    this.#wait();
  }

  stop(): void {
    this.#running = false;
    this.#try++;
    clearTimeout(this.#timer);
    this.#trial?.close();
    this.#trial = undefined;
  }

  /** Another network, perhaps: what did not work may work now. */
  now(): void {
    if (!this.#running) return;
    clearTimeout(this.#timer);
    this.#trial?.close();
    this.#waitMs = this.#firstMs;
    void this.#dial();
  }

  #wait(): void {
    // Half to one and a half: clients that lost their WebSocket together do not all come back together.
    this.#timer = setTimeout(() => void this.#dial(), this.#waitMs * (0.5 + Math.random()));
  }

  #again(): void {
    this.#trial = undefined;
    this.#waitMs = Math.min(this.#waitMs * 2, MAX_MS);
    this.#wait();
  }

  async #dial(): Promise<void> {
    const number = ++this.#try;
    const token = await this.#options.getToken().catch(() => undefined);
    if (number !== this.#try) return;
    // The connection itself finds out when nobody is signed in any more.
    if (token === undefined) return this.#again();
    this.#trial = new Line(this.#options.lineOptions(token), this.#host);
  }
}
