import type { Conversation } from '@gapless/sdk';
import { useEffect, useState } from 'react';
import { useI18n } from '../hooks/use-i18n.ts';
import { useObservable } from '../hooks/use-observable.ts';
import { codeText } from '../i18n/errors.ts';
import { go } from '../lib/route.ts';
import { Composer } from './composer.tsx';
import { DetailsDialog } from './details-dialog.tsx';
import { PaneHead } from './pane-head.tsx';
import { Timeline } from './timeline.tsx';
import { TypingLine } from './typing-line.tsx';

/** One conversation, joined while it is on screen. */
export function Pane({ conversation }: { readonly conversation: Conversation }) {
  const { t } = useI18n();
  const snapshot = useObservable(conversation);
  const [details, setDetails] = useState(false);

  useEffect(() => {
    conversation.open();
    return () => conversation.close();
  }, [conversation]);

  return (
    <main className="pane">
      <PaneHead cid={conversation.cid} snapshot={snapshot} onBack={() => go(undefined)} onDetails={() => setDetails(true)} />
      {snapshot.error !== undefined ? (
        <p className="pane-error" role="alert" data-testid="pane-error">
          {codeText(t.errors, snapshot.error)}
        </p>
      ) : (
        <>
          <Timeline conversation={conversation} snapshot={snapshot} />
          <TypingLine snapshot={snapshot} />
          <Composer conversation={conversation} />
        </>
      )}
      {details && <DetailsDialog conversation={conversation} snapshot={snapshot} onClose={() => setDetails(false)} />}
    </main>
  );
}
