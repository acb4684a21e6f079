import { useState } from 'react';

interface ConfirmButtonProps {
  readonly label: string;
  readonly question: string;
  /** For screen readers, where the label alone does not say whom it is about. */
  readonly describedLabel?: string;
  readonly testId?: string;
  readonly disabled: boolean;
  readonly onConfirm: () => void;
}

/** Asks before it acts: the first press turns it into the question; moving on takes it back. */
export function ConfirmButton({ label, question, describedLabel, testId, disabled, onConfirm }: ConfirmButtonProps) {
  const [asking, setAsking] = useState(false);
  return (
    <button
      type="button"
      className={asking ? 'danger asking' : 'danger'}
      data-testid={testId}
      aria-label={asking ? [question, describedLabel].filter(Boolean).join(' ') : (describedLabel ?? label)}
      disabled={disabled}
      onBlur={() => setAsking(false)}
      onClick={() => {
        setAsking(!asking);
        if (asking) onConfirm();
      }}
    >
      {asking ? question : label}
    </button>
  );
}
