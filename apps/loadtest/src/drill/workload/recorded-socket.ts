import type { DownFrame, UpFrame } from '@gapless/protocol';
import type { WebSocketLike } from '@gapless/sdk';
import type { Recorder } from './recorder.ts';
import type { Route } from './route.ts';

/** The WebSocket class of one client: as the platform's, but that it goes where the route says, and all it carries is recorded. */
export function recordedSocket(recorder: Recorder, route: Route): new (url: string, protocols?: string | string[]) => WebSocketLike {
  return class RecordedSocket implements WebSocketLike {
    onopen: ((event: unknown) => void) | null = null;
    onmessage: ((event: { data: unknown }) => void) | null = null;
    onclose: ((event: { code: number; reason: string }) => void) | null = null;
    onerror: ((event: unknown) => void) | null = null;
    readonly #socket: WebSocket;
    #over = false;

    constructor(url: string, protocols?: string | string[]) {
      recorder.dialed(route.url);
      this.#socket = new WebSocket(route.to(url).replace(/^http/, 'ws'), protocols);
      this.#socket.onopen = (event) => this.onopen?.(event);
      this.#socket.onmessage = (event) => this.#receive(event.data);
      this.#socket.onerror = (event) => this.onerror?.(event);
      this.#socket.onclose = ({ code, reason }) => {
        this.#end();
        this.onclose?.({ code, reason });
      };
    }

    get readyState(): number {
      return this.#socket.readyState;
    }

    send(data: string): void {
      const frames = JSON.parse(data) as UpFrame | UpFrame[];
      for (const frame of Array.isArray(frames) ? frames : [frames]) recorder.up(frame);
      this.#socket.send(data);
    }

    /** What still comes is not heard: the client has hung up. */
    close(code?: number, reason?: string): void {
      this.#end();
      this.#socket.close(code, reason);
    }

    #receive(data: unknown): void {
      if (this.#over) return;
      const frames = JSON.parse(data as string) as DownFrame | DownFrame[];
      for (const frame of Array.isArray(frames) ? frames : [frames]) recorder.down(frame);
      this.onmessage?.({ data });
    }

    #end(): void {
      if (this.#over) return;
      this.#over = true;
      route.next();
      recorder.closed();
    }
  };
}
