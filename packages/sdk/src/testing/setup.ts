import { onTestFinished, vi } from 'vitest';
import { createClient } from '../client.ts';
import type { Client, ClientOptions, Conversation } from '../types.ts';
import { FakeServer } from './fake-server.ts';

/** Advances the fake clock step by step until it is so. */
export async function until(fact: () => boolean, what = fact.toString()): Promise<void> {
  for (let steps = 0; steps < 20_000; steps++) {
    if (fact()) return;
    await vi.advanceTimersByTimeAsync(10);
  }
  throw new Error(`never came true: ${what}`);
}

/** What a promise comes to while the fake clock runs. */
export async function outcome<T>(promise: Promise<T>): Promise<T> {
  let done = false;
  const end = () => {
    done = true;
  };
  promise.then(end, end);
  await until(() => done, 'the promise settles');
  return promise;
}

/** A client of ann's on a fake server, with fake timers; both end with the test. */
export function setup(options: Partial<ClientOptions> = {}, server = new FakeServer()): { server: FakeServer; client: Client } {
  vi.useFakeTimers();
  // The middle of every jitter: a reconnect is never quicker than a look at it.
  vi.spyOn(Math, 'random').mockReturnValue(0.5);
  const client = createClient({
    url: 'https://chat.example.org',
    getToken: async () => 'token-ann',
    device: 'device-1',
    WebSocket: server.WebSocket,
    fetch: server.fetch,
    ...options,
  });
  onTestFinished(() => {
    client.close();
    vi.useRealTimers();
    vi.restoreAllMocks();
  });
  return { server, client };
}

/** Online, with the conversation `c1` of ann and bob open and loaded. */
export async function opened(options: Partial<ClientOptions> = {}, messages = 0) {
  const { server, client } = setup(options);
  server.open('c1');
  for (let n = 1; n <= messages; n++) server.post('c1', 'bob', `${n}`);
  client.connect();
  const conversation = client.conversation('c1');
  conversation.open();
  await until(() => conversation.getSnapshot().loaded);
  return { server, client, conversation };
}

/** The page's own network events; `changed()` says that it is online, again or still. Before `connect`. */
export function network(): { changed(): void } {
  const listeners = new Set<() => void>();
  vi.stubGlobal('addEventListener', (_: string, listener: () => void) => listeners.add(listener));
  onTestFinished(() => void vi.unstubAllGlobals());
  return {
    changed() {
      for (const listener of listeners) listener();
    },
  };
}

/** What microtasks throw, which is how a client reports the errors of others. */
export function reported(): unknown[] {
  const errors: unknown[] = [];
  const queue = globalThis.queueMicrotask;
  vi.spyOn(globalThis, 'queueMicrotask').mockImplementation((task) =>
    queue(() => {
      try {
        task();
      } catch (error) {
        errors.push(error);
      }
    }),
  );
  return errors;
}

export const online = (client: Client) => until(() => client.state === 'online', 'online');
export const seqs = (conversation: Conversation) => conversation.getSnapshot().messages.map(({ seq }) => seq);
export const texts = (conversation: Conversation) => conversation.getSnapshot().messages.map(({ body }) => body.text);
export const statuses = (conversation: Conversation) => conversation.getSnapshot().messages.map(({ status }) => status);
export const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i);
