import { type ReactNode, useEffect, useId, useRef } from 'react';
import { useI18n } from '../hooks/use-i18n.ts';
import { CloseIcon } from './icons.tsx';

interface DialogProps {
  readonly title: string;
  readonly onClose: () => void;
  readonly children: ReactNode;
}

/** A native modal: the browser keeps the focus inside, closes on Escape. Mounted means open. */
export function Dialog({ title, onClose, children }: DialogProps) {
  const { t } = useI18n();
  const ref = useRef<HTMLDialogElement>(null);
  const before = useRef<Element | null>(null);
  const titleId = useId();

  // Not closed on the way out: React takes the element away, and a `close` event from here would come after a remount.
  useEffect(() => {
    const dialog = ref.current;
    if (dialog === null) return;
    before.current ??= document.activeElement;
    if (!dialog.open) dialog.showModal();
    // Else the browser takes the close button, which comes first.
    dialog.querySelector<HTMLElement>('[data-first-focus]')?.focus();
    return () => {
      // The browser gives the focus back only to a dialog that closes, not to one that is gone.
      if (before.current instanceof HTMLElement) before.current.focus();
    };
  }, []);

  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: the backdrop is for the mouse; Escape and the close button serve the keyboard.
    <dialog
      ref={ref}
      className="dialog"
      aria-labelledby={titleId}
      onClose={onClose}
      onClick={(event) => {
        if (event.target === ref.current) onClose();
      }}
    >
      <div className="dialog-body">
        <header className="dialog-head">
          <h2 id={titleId}>{title}</h2>
          <button type="button" className="icon-button" aria-label={t.close} title={t.close} onClick={onClose}>
            <CloseIcon />
          </button>
        </header>
        {children}
      </div>
    </dialog>
  );
}
