import type { Conversation, Message } from '@gapless/sdk';
import { useI18n } from '../hooks/use-i18n.ts';
import { codeText } from '../i18n/errors.ts';

export function FailedActions({ conversation, message }: { readonly conversation: Conversation; readonly message: Message }) {
  const { t } = useI18n();
  return (
    <span className="failed-actions" role="alert">
      <span className="failed-why">{codeText(t.errors, message.error)}</span>
      <button type="button" className="text-button" data-testid="retry" onClick={() => conversation.retry(message.mid)}>
        {t.retry}
      </button>
      <button type="button" className="text-button" data-testid="discard" onClick={() => conversation.discard(message.mid)}>
        {t.discard}
      </button>
    </span>
  );
}
