import type { TimelineSnapshot } from '@gapless/sdk';
import { useSession } from '../hooks/use-client.ts';
import { useI18n } from '../hooks/use-i18n.ts';
import { usePresence } from '../hooks/use-presence.ts';
import { Avatar } from './avatar.tsx';
import { ConfirmButton } from './confirm-button.tsx';

type Participant = TimelineSnapshot['participants'][number];

interface ParticipantListProps {
  readonly participants: readonly Participant[];
  /** Absent where nobody may be removed. */
  readonly myRole: Participant['role'] | undefined;
  readonly busy: boolean;
  readonly onRemove: (user: string) => void;
}

export function ParticipantList({ participants, myRole, busy, onRemove }: ParticipantListProps) {
  const { t } = useI18n();
  const { userId } = useSession();
  const presence = usePresence();
  return (
    <ul className="participants">
      {participants.map((participant) => {
        const name = participant.displayName || participant.userId;
        const isMe = participant.userId === userId;
        return (
          <li key={participant.userId} data-testid="participant" data-user={participant.userId}>
            <Avatar id={participant.userId} name={name} online={presence.get(participant.userId)?.state === 'online'} small />
            <span className="participant-name">
              <bdi>{name}</bdi>
              {name !== participant.userId && <bdi className="muted"> @{participant.userId}</bdi>}
              {isMe && <span className="muted"> ({t.you})</span>}
            </span>
            {myRole !== undefined && <span className={`role ${participant.role}`}>{t.role[participant.role]}</span>}
            {!isMe && mayRemove(myRole, participant.role) && (
              <ConfirmButton
                label={t.remove}
                question={t.reallyRemove}
                describedLabel={t.removeUser(name)}
                testId="remove"
                disabled={busy}
                onConfirm={() => onRemove(participant.userId)}
              />
            )}
          </li>
        );
      })}
    </ul>
  );
}

function mayRemove(mine: Participant['role'] | undefined, theirs: Participant['role']): boolean {
  return mine === 'owner' || (mine === 'admin' && theirs === 'member');
}
