import type { ConnectionState } from '@gapless/sdk';
import { useEffect, useState, useSyncExternalStore } from 'react';
import { useSession } from './use-client.ts';
import { useObservable } from './use-observable.ts';

/** A connect that is quicker than this needs no banner. */
const PATIENCE_MS = 800;

export interface ConnectionNotice {
  readonly state: ConnectionState;
  readonly retryAt: number | undefined;
  /** The browser itself has a network, as far as it knows. */
  readonly hasNetwork: boolean;
}

/** What the banner has to say; undefined while all is well. */
export function useConnectionNotice(): ConnectionNotice | undefined {
  const { state, retryAt } = useObservable(useSession().client.connection);
  const hasNetwork = useSyncExternalStore(subscribeNetwork, () => navigator.onLine);
  const [troubled, setTroubled] = useState(false);

  useEffect(() => {
    if (state === 'online') return setTroubled(false);
    if (state === 'waiting' || state === 'closed') return setTroubled(true);
    const timer = setTimeout(() => setTroubled(true), PATIENCE_MS);
    return () => clearTimeout(timer);
  }, [state]);

  if (state === 'online' || (!troubled && hasNetwork)) return undefined;
  return { state, retryAt, hasNetwork };
}

function subscribeNetwork(listener: () => void): () => void {
  addEventListener('online', listener);
  addEventListener('offline', listener);
  return () => {
    removeEventListener('online', listener);
    removeEventListener('offline', listener);
  };
}
