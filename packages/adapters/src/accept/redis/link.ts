import { AcceptLogAway } from '@gapless/core';
import type { Clock } from '@gapless/kit';
import { createClient, ErrorReply } from '@redis/client';
import { NO_TIMEOUT } from '../../redis-options.ts';
import { SCRIPTS, type ScriptName, shaOf } from './scripts.ts';
import { readInfo, type ServerInfo } from './server-info.ts';

/** A Redis that does not answer within this is away. Much longer than any script takes, shorter than a client waits for its ack. */
export const CALL_MS = 2_000;

/** Answers after which the connection is of no use: the scripts are gone, or this is no primary any more. */
const FATAL = /\b(NOSCRIPT|READONLY|MASTERDOWN|LOADING|NOAUTH)\b/;

/** Of RESP 2. */
export type Reply = string | number | null | readonly Reply[];

export interface ScriptCall {
  readonly prefix: string;
  readonly epoch: number;
  readonly args: readonly string[];
}

/**
 * One connection to one process of Redis. It is not repaired, so that a command never goes to another process than the one whose run_id it
 * carries. After its end every call rejects.
 */
export class Link {
  readonly info: ServerInfo;
  /** Resolves to the reason when it ends. */
  readonly closed: Promise<unknown>;
  readonly #client: Client;
  readonly #clock: Clock;
  readonly #tellClosed: (cause: unknown) => void;
  #cause: unknown;

  constructor(client: Client, clock: Clock, info: ServerInfo) {
    this.#client = client;
    this.#clock = clock;
    this.info = info;
    const { promise, resolve } = Promise.withResolvers<unknown>();
    this.closed = promise;
    this.#tellClosed = resolve;
    client.on('error', (error) => this.close(error));
    client.on('end', () => this.close(new Error('Redis closed the connection')));
  }

  get isOpen(): boolean {
    return this.#cause === undefined;
  }

  script(name: ScriptName, { prefix, epoch, args }: ScriptCall): Promise<Reply> {
    return this.call(['EVALSHA', shaOf(name), '0', prefix, `${epoch}`, this.info.run, ...args]);
  }

  /** Calls reach Redis in their order. Rejects with AcceptLogAway, whatever the reason. */
  async call(args: readonly string[], waitMs = CALL_MS): Promise<Reply> {
    if (this.#cause !== undefined) throw new AcceptLogAway(this.#cause);
    let isWaiting = true;
    const late = () => isWaiting && this.close(new Error(`Redis did not answer within ${waitMs} ms`));
    // An answer that has arrived, and was not read because this process was busy, comes first.
    const stop = this.#clock.after(waitMs, () => setImmediate(late));
    try {
      return (await this.#client.sendCommand([...args])) as Reply;
    } catch (error) {
      if (error instanceof ErrorReply && FATAL.test(error.message)) this.close(error);
      throw new AcceptLogAway(this.#cause ?? error);
    } finally {
      isWaiting = false;
      stop();
    }
  }

  close(cause: unknown): void {
    if (this.#cause !== undefined) return;
    this.#cause = cause;
    destroy(this.#client);
    this.#tellClosed(cause);
  }
}

/**
 * @throws UnfitRedis
 * @throws Error when Redis cannot be reached, or does not answer in time
 */
export async function openLink(url: string, clock: Clock): Promise<Link> {
  const client = newClient(url);
  // Else the process ends with it. What it says, `connect` says too.
  client.on('error', () => {});
  let stop = () => {};
  const late = new Promise<never>((_, reject) => {
    stop = clock.after(CALL_MS, () => reject(new Error(`Redis did not answer within ${CALL_MS} ms`)));
  });
  try {
    return new Link(client, clock, await Promise.race([late, greet(client)]));
  } catch (error) {
    destroy(client);
    throw error;
  } finally {
    stop();
  }
}

type Client = ReturnType<typeof newClient>;

function newClient(url: string) {
  const socket = { connectTimeout: CALL_MS, reconnectStrategy: false } as const;
  return createClient({ url, RESP: 2, socket, disableOfflineQueue: true, maintNotifications: 'disabled', commandOptions: NO_TIMEOUT });
}

async function greet(client: Client): Promise<ServerInfo> {
  await client.connect();
  const info = readInfo(String(await client.sendCommand(['INFO'])));
  if (!info.isPrimary) throw new Error('this Redis is a replica');
  await Promise.all(SCRIPTS.map(({ source }) => client.sendCommand(['SCRIPT', 'LOAD', source])));
  return info;
}

/** Also of one that was never open, at which the client throws. */
function destroy(client: Client): void {
  try {
    client.destroy();
  } catch {}
}
