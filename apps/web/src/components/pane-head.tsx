import type { TimelineSnapshot } from '@gapless/sdk';
import { useSession } from '../hooks/use-client.ts';
import { useI18n } from '../hooks/use-i18n.ts';
import { useNow } from '../hooks/use-now.ts';
import { usePresence, useWatchPresence } from '../hooks/use-presence.ts';
import { ago } from '../lib/format.ts';
import { Avatar } from './avatar.tsx';
import { BackIcon, InfoIcon } from './icons.tsx';

interface PaneHeadProps {
  readonly cid: string;
  readonly snapshot: TimelineSnapshot;
  readonly onBack: () => void;
  readonly onDetails: () => void;
}

export function PaneHead({ cid, snapshot, onBack, onDetails }: PaneHeadProps) {
  const i18n = useI18n();
  const { t } = i18n;
  const { userId } = useSession();
  const now = useNow(30_000);
  const presence = usePresence();
  const peer = snapshot.kind === 'dm' ? snapshot.participants.find((participant) => participant.userId !== userId) : undefined;
  useWatchPresence(peer === undefined ? [] : [peer.userId]);

  const seen = peer === undefined ? undefined : presence.get(peer.userId);
  const name = peer === undefined ? nameWithoutPeer() : peer.displayName || peer.userId;

  function nameWithoutPeer(): string {
    if (snapshot.kind === undefined || snapshot.kind === 'dm') return snapshot.error === undefined ? t.loading : '';
    return snapshot.title || t.untitled;
  }

  function subtitle(): string {
    if (snapshot.kind === undefined) return '';
    if (snapshot.kind !== 'dm') return t.participants(snapshot.participants.length);
    if (seen === undefined) return '';
    if (seen.state === 'online') return t.online;
    return seen.lastSeen === undefined ? t.offline : t.lastSeen(ago(seen.lastSeen, now, i18n));
  }

  return (
    <header className="pane-head">
      <button type="button" className="icon-button back" data-testid="back" aria-label={t.back} title={t.back} onClick={onBack}>
        <BackIcon />
      </button>
      {snapshot.error === undefined && <Avatar id={peer?.userId ?? cid} name={name} online={seen?.state === 'online'} small />}
      <div className="pane-name">
        <h1 data-testid="conversation-title">
          <bdi>{name}</bdi>
        </h1>
        <p className="muted" data-testid="presence" data-state={seen?.state}>
          {subtitle()}
        </p>
      </div>
      {snapshot.error === undefined && (
        <button type="button" className="icon-button" data-testid="details" aria-label={t.details} title={t.details} onClick={onDetails}>
          <InfoIcon />
        </button>
      )}
    </header>
  );
}
