import type { MessageStatus } from '@gapless/sdk';
import { useI18n } from '../hooks/use-i18n.ts';
import { AlertIcon, ClockIcon, ClockTickIcon, TickIcon, TicksIcon } from './icons.tsx';

const ICONS = {
  sending: ClockIcon,
  accepted: ClockTickIcon,
  sent: TickIcon,
  delivered: TicksIcon,
  read: TicksIcon,
  failed: AlertIcon,
} satisfies Record<MessageStatus, unknown>;

/** How far one's own message has come. */
export function Ticks({ status }: { readonly status: MessageStatus }) {
  const { t } = useI18n();
  const Icon = ICONS[status];
  return (
    <span className={`ticks ${status}`} title={t.status[status]}>
      <Icon size={16} />
      <span className="visually-hidden">{t.status[status]}</span>
    </span>
  );
}
