import type { FormEvent } from 'react';
import { useAction } from '../hooks/use-action.ts';
import { useSession } from '../hooks/use-client.ts';
import { useI18n } from '../hooks/use-i18n.ts';
import { go } from '../lib/route.ts';
import { Dialog } from './dialog.tsx';
import { Field, FormError } from './field.tsx';

export function NewDmDialog({ onClose }: { readonly onClose: () => void }) {
  const { t } = useI18n();
  const { client } = useSession();
  const { busy, error, setError, run } = useAction();

  async function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const user = String(new FormData(event.currentTarget).get('user')).trim();
    if (user === '') return setError(t.needUser);
    await run(async () => {
      const { cid } = await client.http.createConversation({ kind: 'dm', participants: [user] });
      onClose();
      go(cid);
    });
  }

  return (
    <Dialog title={t.newDm} onClose={onClose}>
      <form onSubmit={submit} noValidate>
        <Field
          testId="dialog-user"
          name="user"
          label={t.userExact}
          autoComplete="off"
          autoCapitalize="none"
          spellCheck={false}
          maxLength={64}
          firstFocus
        />
        <FormError text={error} />
        <div className="dialog-actions">
          <button type="button" className="secondary" onClick={onClose}>
            {t.cancel}
          </button>
          <button type="submit" className="primary" data-testid="dialog-submit" disabled={busy}>
            {t.start}
          </button>
        </div>
      </form>
    </Dialog>
  );
}
