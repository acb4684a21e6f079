import type { Observable } from '@gapless/sdk';

export interface Store<T> extends Observable<T> {
  set(value: T): void;
}

/** The smallest thing that fits `useSyncExternalStore` and is also readable outside React. */
export function createStore<T>(initial: T): Store<T> {
  let value = initial;
  const listeners = new Set<() => void>();
  return {
    getSnapshot: () => value,
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    set(next) {
      if (Object.is(next, value)) return;
      value = next;
      for (const listener of [...listeners]) listener();
    },
  };
}
