import { createClient, type RedisClientType } from '@redis/client';
import { NO_TIMEOUT } from '../../redis-options.ts';
import type { LineEvents } from '../line.ts';

const CONNECT_TIMEOUT_MS = 5_000;

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
