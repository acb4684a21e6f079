import { type InputHTMLAttributes, useId } from 'react';

interface FieldProps extends InputHTMLAttributes<HTMLInputElement> {
  readonly label: string;
  readonly hint?: string | undefined;
  readonly testId: string;
  /** The one that a dialog puts the focus on when it opens. */
  readonly firstFocus?: boolean;
}

/** A labelled input with its hint. */
export function Field({ label, hint, testId, firstFocus, ...input }: FieldProps) {
  const id = useId();
  const hintId = hint === undefined ? undefined : `${id}-hint`;
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      <input id={id} aria-describedby={hintId} data-testid={testId} data-first-focus={firstFocus} {...input} />
      {hint !== undefined && (
        <p className="hint" id={hintId}>
          {hint}
        </p>
      )}
    </div>
  );
}

/** Announced when it appears. */
export function FormError({ text }: { readonly text: string | undefined }) {
  return (
    <p className="form-error" role="alert" data-testid="form-error">
      {text}
    </p>
  );
}
