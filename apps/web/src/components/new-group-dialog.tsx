import type { FormEvent } from 'react';
import { useAction } from '../hooks/use-action.ts';
import { useSession } from '../hooks/use-client.ts';
import { useI18n } from '../hooks/use-i18n.ts';
import { go } from '../lib/route.ts';
import { splitNames } from '../lib/text.ts';
import { Dialog } from './dialog.tsx';
import { Field, FormError } from './field.tsx';

export function NewGroupDialog({ onClose }: { readonly onClose: () => void }) {
  const { t } = useI18n();
  const { client } = useSession();
  const { busy, error, setError, run } = useAction();

  async function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const data = new FormData(event.currentTarget);
    const title = String(data.get('title')).trim();
    const participants = splitNames(String(data.get('users')));
    if (title === '') return setError(t.needTitle);
    await run(async () => {
      const { cid } = await client.http.createConversation({ kind: 'group', participants, title });
      onClose();
      go(cid);
    });
  }

  return (
    <Dialog title={t.newGroup} onClose={onClose}>
      <form onSubmit={submit} noValidate>
        <Field testId="dialog-title" name="title" label={t.groupTitle} autoComplete="off" maxLength={200} firstFocus />
        <Field
          testId="dialog-user"
          name="users"
          label={t.groupUsers}
          hint={t.groupUsersHint}
          autoComplete="off"
          autoCapitalize="none"
          spellCheck={false}
        />
        <FormError text={error} />
        <div className="dialog-actions">
          <button type="button" className="secondary" onClick={onClose}>
            {t.cancel}
          </button>
          <button type="submit" className="primary" data-testid="dialog-submit" disabled={busy}>
            {t.create}
          </button>
        </div>
      </form>
    </Dialog>
  );
}
