import type { TimelineSnapshot } from '@gapless/sdk';
import { useI18n } from '../hooks/use-i18n.ts';
import { nameList } from '../lib/format.ts';

/** Beyond this many the names stop helping. */
const NAMES_MAX = 3;

/** Keeps its height when nobody types, so that the messages do not hop. */
export function TypingLine({ snapshot }: { readonly snapshot: TimelineSnapshot }) {
  const i18n = useI18n();
  const users = snapshot.typing.slice(0, NAMES_MAX);
  const names = users.map((user) => snapshot.participants.find(({ userId }) => userId === user)?.displayName || user);
  return (
    <div className="typing-line">
      {names.length > 0 && (
        <span data-testid="typing">
          <span className="typing-dots" aria-hidden="true">
            <i />
            <i />
            <i />
          </span>
          {i18n.t.typing(nameList(names, i18n), names.length)}
        </span>
      )}
    </div>
  );
}
