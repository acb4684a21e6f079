import type { UpFrame } from '@gapless/protocol';
import type { GaplessError } from '../errors.ts';
import { problem } from '../http.ts';
import { type CloseCause, lost, refusal } from './transport.ts';

/** Of one POST: the server takes no more. */
const FRAMES_MAX = 100;
const BYTES_MAX = 64 * 1024;
/** The stream down may live while nothing gets up: this finds out. */
const TIMEOUT_MS = 15_000;
/** When a server that asks for patience names no time. */
const RETRY_MS = 1_000;
const ACCEPTED = 202;

/**
 * Frames up, in the order of the calls: one POST at a time, what comes meanwhile goes with the next.
 *
 * - 429 and 503 mean that nothing was taken: the same batch goes again, later.
 * - Any other failure ends the connection, as the outcome is unknown. A reconnect resumes, and frames may come twice by their ids.
 */
export class UpStream {
  readonly #url: string;
  readonly #fetch: typeof fetch;
  readonly #onLost: (cause: CloseCause) => void;
  readonly #abort = new AbortController();
  #waiting: string[] = [];
  #busy = false;
  #closed = false;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(url: string, fetcher: typeof fetch, onLost: (cause: CloseCause) => void) {
    this.#url = url;
    this.#fetch = fetcher;
    this.#onLost = onLost;
  }

  push(frame: UpFrame): void {
    this.#waiting.push(JSON.stringify(frame));
    // After this turn: what it sends goes together.
    if (!this.#busy) queueMicrotask(() => this.#next());
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#abort.abort();
  }

  #next(): void {
    if (this.#closed || this.#busy || this.#waiting.length === 0) return;
    void this.#post(this.#take());
  }

  /** As many as one POST may carry. One alone goes without the brackets, which might be two bytes too many. */
  #take(): string {
    const encoder = new TextEncoder();
    let bytes = 1;
    let count = 0;
    for (const text of this.#waiting) {
      bytes += encoder.encode(text).length + 1;
      if (count > 0 && (count === FRAMES_MAX || bytes > BYTES_MAX)) break;
      count++;
    }
    const batch = this.#waiting.splice(0, count);
    return count === 1 ? batch[0]! : `[${batch.join()}]`;
  }

  async #post(body: string): Promise<void> {
    this.#busy = true;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#end(lost('no answer to a POST')), TIMEOUT_MS);
    const headers = { 'content-type': 'application/json' };
    try {
      const response = await this.#fetch(this.#url, { method: 'POST', headers, body, signal: this.#abort.signal });
      const text = await response.text();
      if (this.#closed) return;
      clearTimeout(this.#timer);
      // Any other is not of this server, even if it is a success: a page of the network's that asks to sign in there.
      if (response.status !== ACCEPTED) return this.#onRefusal(body, problem(response, text));
      this.#busy = false;
      this.#next();
    } catch {
      this.#end(lost('a POST broke'));
    }
  }

  #onRefusal(body: string, error: GaplessError): void {
    const { status, retryAfterMs = RETRY_MS } = error;
    if (status === 429 || status === 503) this.#timer = setTimeout(() => void this.#post(body), retryAfterMs);
    else this.#end(refusal(error));
  }

  #end(cause: CloseCause): void {
    if (!this.#closed) this.#onLost(cause);
  }
}
