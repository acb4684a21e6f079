import { useEffect } from 'react';
import { useSession } from './use-client.ts';
import { useObservable } from './use-observable.ts';

/** Puts the number of unread messages into the tab's title. */
export function useTitle(): void {
  const { items } = useObservable(useSession().client.conversations);
  const unread = items.reduce((sum, item) => sum + item.unread, 0);
  useEffect(() => {
    document.title = unread > 0 ? `(${unread}) Gapless` : 'Gapless';
    return () => {
      document.title = 'Gapless';
    };
  }, [unread]);
}
