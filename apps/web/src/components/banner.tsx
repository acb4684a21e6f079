import { useSession } from '../hooks/use-client.ts';
import { type ConnectionNotice, useConnectionNotice } from '../hooks/use-connection-notice.ts';
import { useI18n } from '../hooks/use-i18n.ts';
import { useNow } from '../hooks/use-now.ts';

const SECOND_MS = 1_000;

export function Banner() {
  const notice = useConnectionNotice();
  return notice === undefined ? null : <Notice notice={notice} />;
}

function Notice({ notice }: { readonly notice: ConnectionNotice }) {
  const { t } = useI18n();
  const { client } = useSession();
  const now = useNow(SECOND_MS / 2);
  const { state, retryAt = now, hasNetwork } = notice;
  const seconds = Math.max(0, Math.ceil((retryAt - now) / SECOND_MS));
  const text = !hasNetwork
    ? t.bannerOffline
    : state === 'waiting'
      ? t.bannerLost
      : state === 'closed'
        ? t.bannerClosed
        : t.bannerConnecting;

  return (
    <div className="banner" data-testid="banner" data-state={state}>
      <p>
        <span role="status">{text}</span> {/* For the eye only: read aloud every second it would drown everything else. */}
        {state === 'waiting' && hasNetwork && <span aria-hidden="true">{t.nextTry(seconds)}</span>}
      </p>
      {(state === 'waiting' || state === 'closed') && hasNetwork && (
        <button type="button" className="text-button" data-testid="try-now" onClick={() => client.connect()}>
          {t.tryNow}
        </button>
      )}
    </div>
  );
}
