import { createClient } from '@redis/client';
import { syncScript } from './script.ts';

/** A connection that is silent for so long, pings unanswered, is made anew. */
const SILENT_MS = 5_000;
const PING_MS = 2_000;

/** Well under the grace: after an outage all nodes are back before anyone is told offline. */
const RECONNECT_MAX_MS = 1_000;

/**
 * One connection to ask and one to listen. They come back by themselves for ever; what is asked meanwhile is refused at once. `onError` hears
 * of each outage once.
 */
export function createClients(url: string, onError: (error: unknown) => void) {
  const client = createClient({
    url,
    scripts: { sync: syncScript },
    disableOfflineQueue: true,
    pingInterval: PING_MS,
    maintNotifications: 'disabled',
    socket: { socketTimeout: SILENT_MS, reconnectStrategy: backoff },
  });
  const subscriber = client.duplicate();
  for (const one of [client, subscriber]) {
    let told = false;
    one.on('ready', () => (told = false));
    one.on('error', (error) => {
      if (!told) onError(error);
      told = true;
    });
  }
  return { client, subscriber };
}

function backoff(retries: number): number {
  return Math.min(50 * 2 ** retries, RECONNECT_MAX_MS) * (0.5 + Math.random() / 2);
}
