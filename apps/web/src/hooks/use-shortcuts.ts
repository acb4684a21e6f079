import { useEffect, useEffectEvent } from 'react';

interface Shortcuts {
  /** Alt+Up and Alt+Down. */
  readonly move: (step: -1 | 1) => void;
  /** Ctrl+K, ⌘K. */
  readonly search: () => void;
  /** Escape, unless a dialog or an input method took it. */
  readonly back: () => void;
}

export function useShortcuts({ move, search, back }: Shortcuts): void {
  const onKey = useEffectEvent((event: KeyboardEvent) => {
    if (event.isComposing || event.defaultPrevented || document.querySelector('dialog[open]') !== null) return;
    const { key, altKey } = event;
    const command = event.ctrlKey || event.metaKey;
    if (altKey && !command && (key === 'ArrowUp' || key === 'ArrowDown')) move(key === 'ArrowUp' ? -1 : 1);
    else if (command && !altKey && key.toLowerCase() === 'k') search();
    else if (key === 'Escape' && !altKey && !command) back();
    else return;
    event.preventDefault();
  });
  useEffect(() => {
    const listener = (event: KeyboardEvent) => onKey(event);
    addEventListener('keydown', listener);
    return () => removeEventListener('keydown', listener);
  }, []);
}
