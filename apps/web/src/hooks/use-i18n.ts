import { type Language, language } from '../i18n/index.ts';
import { useObservable } from './use-observable.ts';

/** `t` is the table of texts, `tag` the BCP 47 tag for Intl. */
export function useI18n(): Language {
  return useObservable(language);
}
