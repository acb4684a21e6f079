import type { Observable } from '@gapless/sdk';
import { useSyncExternalStore } from 'react';

export function useObservable<T>(source: Observable<T>): T {
  return useSyncExternalStore(
    (listener) => source.subscribe(listener),
    () => source.getSnapshot(),
  );
}
