import type { HttpApi } from '@gapless/sdk';
import { useI18n } from '../hooks/use-i18n.ts';
import { useNow } from '../hooks/use-now.ts';
import { ago, deviceName, fullTime } from '../lib/format.ts';
import { ConfirmButton } from './confirm-button.tsx';

export type Device = Awaited<ReturnType<HttpApi['sessions']>>[number];

const MINUTE_MS = 60_000;

interface DeviceListProps {
  readonly devices: readonly Device[];
  readonly busy: boolean;
  readonly onSignOut: (device: Device) => void;
}

/** This device first, the others by when they were seen last. */
export function DeviceList({ devices, busy, onSignOut }: DeviceListProps) {
  const locale = useI18n();
  const { t } = locale;
  const now = useNow(MINUTE_MS);
  const ordered = devices.toSorted((a, b) => Number(b.current) - Number(a.current));
  return (
    <ul className="devices">
      {ordered.map((device) => {
        const name = deviceName(device.label, locale);
        return (
          <li key={device.sid} data-testid="device" data-current={device.current}>
            <span className="device-text">
              <bdi className="device-name" title={name}>
                {name}
              </bdi>
              <span className="hint" title={t.signedInAt(fullTime(device.createdAt, locale))}>
                {device.current ? t.thisDevice : t.lastActive(ago(device.lastSeenAt, now, locale))}
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
