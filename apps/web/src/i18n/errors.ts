import type { ErrorCode } from '@gapless/sdk';

/** Codes of the protocol, those that only this side knows, and a last resort for newer servers. */
export type ErrorTexts = Record<ErrorCode | 'wrong_password' | 'network' | 'timeout' | 'closed' | 'other', string>;

/** What to tell the user about anything that was thrown. */
export function errorText(texts: ErrorTexts, error: unknown): string {
  return codeText(texts, codeOf(error));
}

export function codeText(texts: ErrorTexts, code: string | undefined): string {
  return code !== undefined && Object.hasOwn(texts, code) ? texts[code as keyof ErrorTexts] : texts.other;
}

/** By shape rather than by class: a second copy of the SDK in a bundle must not turn errors into strangers. */
export function codeOf(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}
