import { createClient, type RedisClientType } from '@redis/client';
import type { LineEvents } from '../line.ts';

const CONNECT_TIMEOUT_MS = 5_000;

/**
 * For a client whose owner watches that answers come. The library's own bound makes an `AbortSignal.timeout` for each command: kilobytes that
 * live for 5 s, however quick the answer, and that only a full garbage collection frees.
 */
export const NO_TIMEOUT = { timeout: 0 };

/** A connection that is not repaired: its end is the end of the line. */
export async function connect(url: string, events: LineEvents): Promise<RedisClientType> {
  const socket = { connectTimeout: CONNECT_TIMEOUT_MS, reconnectStrategy: false as const };
  const client: RedisClientType = createClient({ url, socket, disableOfflineQueue: true, commandOptions: NO_TIMEOUT });
  client.on('error', events.lost);
  client.on('end', () => events.lost(new Error('Redis closed the connection')));
  client.on('sharded-channel-moved', (channel: string) => events.lost(new Error(`another shard has ${channel} now`)));
  try {
    await client.connect();
  } catch (error) {
    destroy(client);
    throw error;
  }
  return client;
}

/** Also of one that was never open, at which the client throws. */
export function destroy(client: RedisClientType): void {
  try {
    client.destroy();
  } catch {}
}
