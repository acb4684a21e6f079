import { useCallback, useEffect, useRef, useState } from 'react';
import { useAction } from '../hooks/use-action.ts';
import { useSession } from '../hooks/use-client.ts';
import { useI18n } from '../hooks/use-i18n.ts';
import { codeOf } from '../i18n/errors.ts';
import { signOut } from '../session.ts';
import { ConfirmButton } from './confirm-button.tsx';
import { type Device, DeviceList } from './device-list.tsx';
import { Dialog } from './dialog.tsx';
import { FormError } from './field.tsx';

/** Where one is signed in; each of these sign-ins can be ended from here. */
export function DevicesDialog({ onClose }: { readonly onClose: () => void }) {
  const { t } = useI18n();
  const { http } = useSession().client;
  const { run, busy, error } = useAction();
  const [devices, setDevices] = useState<readonly Device[]>();

  const list = useRef<HTMLUListElement>(null);
  const load = useCallback(async () => setDevices(await http.sessions()), [http]);

  useEffect(() => {
    void run(load);
  }, [load, run]);

  /** Ends something, then shows what is left. */
  const end = async (task: () => Promise<void>) => {
    await run(async () => {
      await task();
      await load();
    });
    // The button that was pressed is gone, and the focus with it.
    list.current?.focus();
  };

  return (
    <Dialog title={t.devices} onClose={onClose}>
      <p className="hint devices-hint">{t.devicesHint}</p>
      {devices === undefined && error === undefined && <p className="hint">{t.loading}</p>}
      <DeviceList
        ref={list}
        devices={devices ?? []}
        busy={busy}
        onSignOut={({ sid, current }) => void (current ? signOut() : end(() => http.signOutSession(sid).catch(unlessGone)))}
      />
      <FormError text={error} />
      {devices === undefined && error !== undefined && (
        <button type="button" className="link-button" data-testid="devices-retry" onClick={() => void run(load)}>
          {t.retry}
        </button>
      )}
      {devices?.some(({ current }) => !current) && (
        <div className="dialog-actions devices-actions">
          <ConfirmButton
            testId="sign-out-others"
            label={t.signOutOthers}
            question={t.reallySignOutOthers}
            disabled={busy}
            onConfirm={() => void end(() => http.signOutOthers())}
          />
        </div>
      )}
    </Dialog>
  );
}

/** It ended by itself meanwhile. */
function unlessGone(error: unknown): void {
  if (codeOf(error) !== 'not_found') throw error;
}
