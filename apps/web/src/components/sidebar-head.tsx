import { useSession } from '../hooks/use-client.ts';
import { useI18n } from '../hooks/use-i18n.ts';
import { signOut } from '../session.ts';
import { Avatar } from './avatar.tsx';
import type { OpenDialog } from './chat.tsx';
import { DevicesIcon, GroupAddIcon, PersonAddIcon, SignOutIcon } from './icons.tsx';
import { LanguageSwitch, ThemeSwitch } from './switches.tsx';

export function SidebarHead({ onDialog }: { readonly onDialog: (dialog: OpenDialog) => void }) {
  const { t } = useI18n();
  const { userId } = useSession();
  return (
    <header className="sidebar-head">
      <div className="me">
        <Avatar id={userId} name={userId} small />
        <span className="me-name" data-testid="me">
          <bdi>{userId}</bdi>
        </span>
        <LanguageSwitch />
        <ThemeSwitch />
        <button
          type="button"
          className="icon-button"
          data-testid="devices"
          aria-label={t.devices}
          title={t.devices}
          onClick={() => onDialog('devices')}
        >
          <DevicesIcon />
        </button>
        <button
          type="button"
          className="icon-button"
          data-testid="sign-out"
          aria-label={t.signOut}
          title={t.signOut}
          onClick={() => void signOut()}
        >
          <SignOutIcon />
        </button>
      </div>
      <div className="new-buttons">
        <button type="button" className="secondary" data-testid="new-dm" onClick={() => onDialog('dm')}>
          <PersonAddIcon size={18} />
          {t.newMessage}
        </button>
        <button type="button" className="secondary" data-testid="new-group" onClick={() => onDialog('group')}>
          <GroupAddIcon size={18} />
          {t.newGroup}
        </button>
      </div>
    </header>
  );
}
