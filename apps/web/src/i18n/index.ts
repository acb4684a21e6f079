import { storage } from '../lib/storage.ts';
import { createStore } from '../lib/store.ts';
import { en, type Texts } from './en.ts';
import { zh } from './zh.ts';

export type { Texts } from './en.ts';

export interface Language {
  readonly lang: 'en' | 'zh';
  /** BCP 47, for `lang` and Intl. */
  readonly tag: string;
  readonly t: Texts;
}

const KEY = 'gapless.lang';
const LANGUAGES: Record<Language['lang'], Language> = {
  en: { lang: 'en', tag: englishTag(), t: en },
  zh: { lang: 'zh', tag: 'zh-CN', t: zh },
};

/** The chosen language, else the browser's. */
export const language = createStore<Language>(LANGUAGES[storedLang() ?? browserLang()]);
show();

export function switchLanguage(): void {
  const next = language.getSnapshot().lang === 'en' ? 'zh' : 'en';
  storage.setItem(KEY, next);
  language.set(LANGUAGES[next]);
  show();
}

function storedLang(): Language['lang'] | undefined {
  const stored = storage.getItem(KEY);
  return stored === 'en' || stored === 'zh' ? stored : undefined;
}

function browserLang(): Language['lang'] {
  return navigator.language.toLowerCase().startsWith('zh') ? 'zh' : 'en';
}

/** Keeps the region of an English browser, so that dates look familiar. */
function englishTag(): string {
  return navigator.language.toLowerCase().startsWith('en-') ? navigator.language : 'en';
}

function show(): void {
  document.documentElement.lang = language.getSnapshot().tag;
}
