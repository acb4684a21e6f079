import { useRef, useState } from 'react';
import { useSession } from '../hooks/use-client.ts';
import { useI18n } from '../hooks/use-i18n.ts';
import { useRoute } from '../hooks/use-route.ts';
import { useShortcuts } from '../hooks/use-shortcuts.ts';
import { useTitle } from '../hooks/use-title.ts';
import { go } from '../lib/route.ts';
import { Banner } from './banner.tsx';
import { DevicesDialog } from './devices-dialog.tsx';
import { LogoIcon } from './icons.tsx';
import { NewDmDialog } from './new-dm-dialog.tsx';
import { NewGroupDialog } from './new-group-dialog.tsx';
import { Pane } from './pane.tsx';
import { Sidebar } from './sidebar.tsx';

export type OpenDialog = 'dm' | 'group' | 'devices' | undefined;

/** Everything behind the sign-in: list and conversation, side by side or, when narrow, one at a time. */
export function Chat() {
  const { t } = useI18n();
  const { client } = useSession();
  const cid = useRoute();
  const filter = useRef<HTMLInputElement>(null);
  const [dialog, setDialog] = useState<OpenDialog>();
  const closeDialog = () => setDialog(undefined);
  useTitle();
  useShortcuts({
    move: (step) => go(neighbour(step)),
    search() {
      const isHidden = filter.current?.offsetParent === null;
      if (isHidden) go(undefined);
      requestAnimationFrame(() => requestAnimationFrame(() => filter.current?.select()));
    },
    back: () => go(undefined),
  });

  function neighbour(step: -1 | 1): string | undefined {
    const { items } = client.conversations.getSnapshot();
    const at = items.findIndex((item) => item.cid === cid);
    if (at === -1) return items.at(step === 1 ? 0 : -1)?.cid;
    return items[Math.min(Math.max(at + step, 0), items.length - 1)]?.cid;
  }

  return (
    <div className={cid === undefined ? 'chat' : 'chat in-conversation'}>
      <Banner />
      <Sidebar openCid={cid} filterRef={filter} onDialog={setDialog} />
      {cid === undefined ? (
        <main className="pane empty">
          <LogoIcon size={56} />
          <p>{t.choose}</p>
        </main>
      ) : (
        <Pane key={cid} conversation={client.conversation(cid)} />
      )}
      {dialog === 'dm' && <NewDmDialog onClose={closeDialog} />}
      {dialog === 'group' && <NewGroupDialog onClose={closeDialog} />}
      {dialog === 'devices' && <DevicesDialog onClose={closeDialog} />}
    </div>
  );
}
