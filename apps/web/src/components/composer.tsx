import type { Conversation } from '@gapless/sdk';
import { type KeyboardEvent, useEffect, useRef, useState } from 'react';
import { useI18n } from '../hooks/use-i18n.ts';
import { drafts } from '../lib/drafts.ts';
import { SendIcon } from './icons.tsx';

/** Safari ends a composition before it tells of the Enter that ended it; only this old code gives it away. */
const KEY_CODE_COMPOSING = 229;

/** Where browsers cannot size a textarea by its content. */
const ROWS_MAX = 6;

const hasKeyboard = matchMedia('(hover: hover) and (pointer: fine)');

export function Composer({ conversation }: { readonly conversation: Conversation }) {
  const { t } = useI18n();
  const { cid } = conversation;
  const [text, setText] = useState(() => drafts.get(cid) ?? '');
  const input = useRef<HTMLTextAreaElement>(null);
  const isEmpty = text.trim() === '';

  useEffect(() => {
    // On a phone this would open the keyboard over the messages.
    if (hasKeyboard.matches) input.current?.focus({ preventScroll: true });
    return () => conversation.typing(false);
  }, [conversation]);

  function change(next: string) {
    setText(next);
    drafts.set(cid, next);
    conversation.typing(next.trim() !== '');
  }

  function send() {
    if (isEmpty) return;
    // A final failure stands on the message itself, with retry and discard.
    conversation.send({ kind: 'text', body: { text: text.trim() } }).catch(() => undefined);
    change('');
    input.current?.focus();
  }

  function onKeyDown(event: KeyboardEvent<HTMLTextAreaElement>) {
    const composing = event.nativeEvent.isComposing || event.keyCode === KEY_CODE_COMPOSING;
    if (event.key !== 'Enter' || event.shiftKey || composing) return;
    event.preventDefault();
    send();
  }

  return (
    <form
      className="composer"
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
    >
      <textarea
        ref={input}
        data-testid="composer"
        aria-label={t.write}
        placeholder={t.write}
        dir="auto"
        rows={Math.min(text.split('\n').length, ROWS_MAX)}
        value={text}
        onChange={(event) => change(event.target.value)}
        onKeyDown={onKeyDown}
        onBlur={() => conversation.typing(false)}
      />
      <button type="submit" className="send-button" data-testid="send" aria-label={t.send} title={t.send} disabled={isEmpty}>
        <SendIcon />
      </button>
    </form>
  );
}
