import type { Conversation, TimelineSnapshot } from '@gapless/sdk';
import type { FormEvent } from 'react';
import { type Action, useAction } from '../hooks/use-action.ts';
import { useSession } from '../hooks/use-client.ts';
import { useI18n } from '../hooks/use-i18n.ts';
import { useWatchPresence } from '../hooks/use-presence.ts';
import { go } from '../lib/route.ts';
import { splitNames } from '../lib/text.ts';
import { ConfirmButton } from './confirm-button.tsx';
import { Dialog } from './dialog.tsx';
import { Field, FormError } from './field.tsx';
import { ParticipantList } from './participant-list.tsx';

interface DetailsDialogProps {
  readonly conversation: Conversation;
  readonly snapshot: TimelineSnapshot;
  readonly onClose: () => void;
}

/** Who is in it, and what one's role allows. The server has the last word: its refusal is shown. */
export function DetailsDialog({ conversation, snapshot, onClose }: DetailsDialogProps) {
  const { t } = useI18n();
  const { client, userId } = useSession();
  const action = useAction();
  const { cid } = conversation;
  const { participants } = snapshot;
  const role = participants.find((participant) => participant.userId === userId)?.role;
  const isGroup = snapshot.kind !== undefined && snapshot.kind !== 'dm';
  const manages = isGroup && (role === 'owner' || role === 'admin');
  useWatchPresence(participants.map((participant) => participant.userId));

  return (
    <Dialog title={t.details} onClose={onClose}>
      {manages && (
        <RenameForm title={snapshot.title ?? ''} action={action} rename={(title) => client.http.updateConversation(cid, { title })} />
      )}
      <h3>{t.participants(participants.length)}</h3>
      <ParticipantList
        participants={participants}
        myRole={isGroup ? role : undefined}
        busy={action.busy}
        onRemove={(user) => action.run(() => client.http.removeParticipant(cid, user))}
      />
      {manages && <AddForm action={action} add={(users) => client.http.addParticipants(cid, users)} />}
      <FormError text={action.error} />
      {isGroup && (
        <ConfirmButton
          testId="leave"
          label={t.leave}
          question={t.reallyLeave}
          disabled={action.busy}
          onConfirm={() =>
            void action.run(async () => {
              await client.http.removeParticipant(cid, userId);
              onClose();
              go(undefined);
            })
          }
        />
      )}
    </Dialog>
  );
}

interface RenameFormProps {
  readonly title: string;
  readonly action: Action;
  readonly rename: (title: string) => Promise<void>;
}

function RenameForm({ title, action, rename }: RenameFormProps) {
  const { t } = useI18n();
  function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const next = String(new FormData(event.currentTarget).get('title')).trim();
    if (next === '') return action.setError(t.needTitle);
    if (next !== title) void action.run(() => rename(next));
  }
  return (
    <form className="inline-form" onSubmit={submit} noValidate>
      <Field key={title} testId="rename" name="title" label={t.groupTitle} defaultValue={title} autoComplete="off" maxLength={200} />
      <button type="submit" className="secondary" data-testid="rename-submit" disabled={action.busy}>
        {t.rename}
      </button>
    </form>
  );
}

function AddForm({ action, add }: { readonly action: Action; readonly add: (users: string[]) => Promise<void> }) {
  const { t } = useI18n();
  async function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const form = event.currentTarget;
    const users = splitNames(String(new FormData(form).get('users')));
    if (users.length === 0) return action.setError(t.needUser);
    if (await action.run(() => add(users))) form.reset();
  }
  return (
    <form className="inline-form" onSubmit={submit} noValidate>
      <Field
        testId="add-user"
        name="users"
        label={t.addPeople}
        autoComplete="off"
        autoCapitalize="none"
        spellCheck={false}
        placeholder={t.groupUsersHint}
      />
      <button type="submit" className="secondary" data-testid="add-submit" disabled={action.busy}>
        {t.add}
      </button>
    </form>
  );
}
