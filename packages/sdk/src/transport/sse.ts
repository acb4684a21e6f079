import type { DownFrame, UpFrame } from '@gapless/protocol';
import { problem } from '../http.ts';
import { readEvents, type StreamEvent } from './event-stream.ts';
import { type CloseCause, type Dialer, lost, refusal, type Transport, type TransportEvents } from './transport.ts';
import { UpStream } from './up-stream.ts';

/**
 * Frames down as Server-Sent Events, frames up as POSTs: for networks that let no WebSocket through.
 *
 * With `fetch` and not EventSource: the token stays out of the URL, and an end is told from a pause. `id` is not used, as the SDK
 * resumes with its own cursors.
 */
export function sseDialer(origin: string, fetcher: typeof fetch): Dialer {
  return { name: 'sse', dial: (events) => new SseTransport(origin, fetcher, events) };
}

class SseTransport implements Transport {
  readonly #origin: string;
  readonly #fetch: typeof fetch;
  readonly #events: TransportEvents;
  readonly #abort = new AbortController();
  #up: UpStream | undefined;
  #over = false;

  constructor(origin: string, fetcher: typeof fetch, events: TransportEvents) {
    this.#origin = origin;
    this.#fetch = fetcher;
    this.#events = events;
    void this.#read();
  }

  send(frame: UpFrame): boolean {
    if (this.#over || this.#up === undefined) return false;
    this.#up.push(frame);
    return true;
  }

  close(): void {
    this.#over = true;
    this.#up?.close();
    this.#abort.abort();
  }

  async #read(): Promise<void> {
    // No event before `dial` has returned.
    await undefined;
    if (this.#over) return;
    try {
      const response = await this.#fetch(new URL('/sse?pull=1', this.#origin).href, {
        headers: { accept: 'text/event-stream' },
        cache: 'no-store',
        signal: this.#abort.signal,
      });
      if (!response.ok) return this.#end(refusal(problem(response, await response.text())));
      // Not of this server, but a page of the network's that asks to sign in there.
      if (response.body === null || !response.headers.get('content-type')?.startsWith('text/event-stream'))
        return this.#end(lost('no stream of events'));
      for await (const event of readEvents(response.body)) {
        if (this.#over) return;
        this.#onEvent(event);
      }
      this.#end(lost('the stream ended'));
    } catch {
      this.#end(lost('the stream broke'));
    }
  }

  #onEvent({ event, data }: StreamEvent): void {
    switch (event) {
      case 'message':
        return this.#events.onFrames([JSON.parse(data) as DownFrame]);
      case 'conn':
        this.#up = new UpStream(this.#urlOf(JSON.parse(data).conn), this.#fetch, (cause) => this.#end(cause));
        return this.#events.onOpen();
      case 'close': {
        const { code, reason } = JSON.parse(data) as CloseCause;
        return this.#end({ code, reason });
      }
      case 'ping':
        // Else the server hears nothing of a client that only listens. Not by a timer: a hidden page's run once a minute at best.
        this.send({ t: 'ping' });
        return this.#events.onAlive();
      default:
        // What a newer server invents.
        return this.#events.onAlive();
    }
  }

  #urlOf(conn: string): string {
    return new URL(`/sse/${encodeURIComponent(conn)}/frames`, this.#origin).href;
  }

  #end(cause: CloseCause): void {
    if (this.#over) return;
    this.close();
    this.#events.onClose(cause);
  }
}
