import { useSyncExternalStore } from 'react';
import { parseRoute } from '../lib/route.ts';

/** The open conversation. */
export function useRoute(): string | undefined {
  return useSyncExternalStore(subscribe, () => parseRoute(location.hash));
}

function subscribe(listener: () => void): () => void {
  addEventListener('hashchange', listener);
  return () => removeEventListener('hashchange', listener);
}
