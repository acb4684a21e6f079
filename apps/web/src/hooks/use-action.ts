import { useCallback, useRef, useState } from 'react';
import { errorText } from '../i18n/errors.ts';
import { useI18n } from './use-i18n.ts';

export interface Action {
  readonly busy: boolean;
  /** What went wrong last, in the user's language. */
  readonly error: string | undefined;
  setError(text: string | undefined): void;
  /** Runs one task at a time; true when it succeeded. */
  run(task: () => Promise<unknown>): Promise<boolean>;
}

/** A button's or a form's doing: busy while it runs, an error text when it failed. */
export function useAction(): Action {
  const { t } = useI18n();
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<string>();
  const running = useRef(false);

  const run = useCallback(
    async (task: () => Promise<unknown>) => {
      if (running.current) return false;
      running.current = true;
      setBusy(true);
      setError(undefined);
      try {
        await task();
        return true;
      } catch (cause) {
        setError(errorText(t.errors, cause));
        return false;
      } finally {
        running.current = false;
        setBusy(false);
      }
    },
    [t],
  );
  return { busy, error, setError, run };
}
