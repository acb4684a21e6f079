import { useSession } from '../hooks/use-client.ts';
import { useI18n } from '../hooks/use-i18n.ts';
import { useObservable } from '../hooks/use-observable.ts';

/** Says so where the network allows no WebSocket: all works, a little slower. */
export function TransportNote() {
  const { t } = useI18n();
  const { transport } = useObservable(useSession().client.connection);
  return (
    <div role="status">
      {transport === 'sse' && (
        <details className="transport-note" data-testid="transport-note">
          <summary>{t.compatible}</summary>
          <p>{t.compatibleHint}</p>
        </details>
      )}
    </div>
  );
}
