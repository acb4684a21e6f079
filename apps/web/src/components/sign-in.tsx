import { type FormEvent, useState } from 'react';
import { useAction } from '../hooks/use-action.ts';
import { useI18n } from '../hooks/use-i18n.ts';
import { codeOf } from '../i18n/errors.ts';
import { type SessionState, signIn, signUp } from '../session.ts';
import { Field, FormError } from './field.tsx';
import { LogoIcon } from './icons.tsx';
import { LanguageSwitch, ThemeSwitch } from './switches.tsx';

const USERNAME = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/;
const PASSWORD_MIN_CHARS = 8;

export function SignIn({ notice }: { readonly notice: SessionState['notice'] }) {
  const { t } = useI18n();
  const [isNew, setNew] = useState(false);
  const { busy, error, setError, run } = useAction();

  async function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const data = new FormData(event.currentTarget);
    const username = String(data.get('username')).trim();
    const password = String(data.get('password'));
    const displayName = String(data.get('displayName') ?? '').trim();
    if (!USERNAME.test(username)) return setError(`${t.username}: ${t.usernameHint}`);
    if (isNew && password.length < PASSWORD_MIN_CHARS) return setError(`${t.password}: ${t.passwordHint}`);
    await run(async () => {
      if (isNew) return signUp({ username, password, ...(displayName === '' ? {} : { displayName }) });
      // A server that knows neither name nor password says `unauthorized`; here that means something else than "signed out".
      return signIn({ username, password }).catch((cause: unknown) => {
        throw codeOf(cause) === 'unauthorized' ? Object.assign(new Error('wrong password'), { code: 'wrong_password' }) : cause;
      });
    });
  }

  return (
    <main className="signin">
      <div className="signin-tools">
        <LanguageSwitch />
        <ThemeSwitch />
      </div>
      <form className="card" data-testid="signin-form" onSubmit={submit} noValidate>
        <div className="brand">
          <LogoIcon size={36} />
          <h1>Gapless</h1>
        </div>
        <p className="lead">{notice === 'ended' && !isNew ? t.sessionEnded : isNew ? t.signUpLead : t.signInLead}</p>
        <Field
          testId="username"
          name="username"
          label={t.username}
          hint={isNew ? t.usernameHint : undefined}
          autoComplete="username"
          autoCapitalize="none"
          spellCheck={false}
          autoFocus
          required
        />
        {isNew && <Field testId="display-name" name="displayName" label={t.displayName} autoComplete="name" maxLength={100} />}
        <Field
          testId="password"
          name="password"
          type="password"
          label={t.password}
          hint={isNew ? t.passwordHint : undefined}
          autoComplete={isNew ? 'new-password' : 'current-password'}
          maxLength={256}
          required
        />
        <FormError text={error} />
        <button type="submit" className="primary" data-testid="submit" disabled={busy}>
          {isNew ? t.signUp : t.signIn}
        </button>
        <button
          type="button"
          className="link-button"
          data-testid="mode-switch"
          onClick={() => {
            setNew(!isNew);
            setError(undefined);
          }}
        >
          {isNew ? t.toSignIn : t.toSignUp}
        </button>
      </form>
    </main>
  );
}
