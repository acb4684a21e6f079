import type { HttpApi } from '@gapless/sdk';
import type { Ref } from 'react';
import { useI18n } from '../hooks/use-i18n.ts';
import { useNow } from '../hooks/use-now.ts';
import { ago, deviceName, fullTime } from '../lib/format.ts';
import { ConfirmButton } from './confirm-button.tsx';

export type Device = Awaited<ReturnType<HttpApi['sessions']>>[number];

const MINUTE_MS = 60_000;

interface DeviceListProps {
  /** The list, which can take the focus of a row that goes. */
  readonly ref: Ref<HTMLUListElement>;
  readonly devices: readonly Device[];
  readonly busy: boolean;
  readonly onSignOut: (device: Device) => void;
}

/** This device first, the others by when they were seen last. */
export function DeviceList({ ref, devices, busy, onSignOut }: DeviceListProps) {
  const locale = useI18n();
  const { t } = locale;
  const now = useNow(MINUTE_MS);
  // What the server knows is the last refresh of the sign-in, not the last word.
  const lastSignIn = ({ createdAt, lastSeenAt }: Device) =>
    lastSeenAt > createdAt ? t.signedInAgain(ago(lastSeenAt, now, locale)) : t.signedInAt(ago(createdAt, now, locale));
  const ordered = devices.toSorted((a, b) => Number(b.current) - Number(a.current));
  return (
    <ul className="devices" ref={ref} tabIndex={-1} aria-label={t.devices}>
      {ordered.map((device) => {
        const name = deviceName(device.label, locale);
        return (
          <li key={device.sid} data-testid="device" data-current={device.current}>
            <span className="device-text">
              <bdi className="device-name" title={name}>
                {name}
              </bdi>
              <span className="hint" title={t.signedInAt(fullTime(device.createdAt, locale))}>
                {device.current ? t.thisDevice : lastSignIn(device)}
              </span>
            </span>
            <ConfirmButton
              testId="sign-out-device"
              label={t.signOut}
              question={t.reallySignOut}
              describedLabel={t.signOutOf(name)}
              disabled={busy}
              onConfirm={() => onSignOut(device)}
            />
          </li>
        );
      })}
    </ul>
  );
}
