import type { UserPresence } from '@gapless/sdk';
import { useEffect } from 'react';
import { useSession } from './use-client.ts';
import { useObservable } from './use-observable.ts';

/** A connection may watch 500 users; the list and the open conversation share them. */
const WATCHED_MAX = 240;

/** Presence of everyone watched anywhere in the app. */
export function usePresence(): ReadonlyMap<string, UserPresence> {
  return useObservable(useSession().client.presence);
}

/** Watches `users` while mounted. */
export function useWatchPresence(users: readonly string[]): void {
  const { client, userId } = useSession();
  const key = JSON.stringify(users.filter((user) => user !== userId).slice(0, WATCHED_MAX));
  useEffect(() => {
    const watched = JSON.parse(key) as string[];
    if (watched.length > 0) return client.watchPresence(watched);
  }, [client, key]);
}
