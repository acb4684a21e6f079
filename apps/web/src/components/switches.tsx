import { useI18n } from '../hooks/use-i18n.ts';
import { useObservable } from '../hooks/use-observable.ts';
import { switchLanguage } from '../i18n/index.ts';
import { switchTheme, theme } from '../lib/theme.ts';
import { MoonIcon, SunIcon } from './icons.tsx';

export function LanguageSwitch() {
  const { lang, t } = useI18n();
  return (
    <button
      type="button"
      className="text-button"
      data-testid="lang-switch"
      lang={lang === 'en' ? 'zh-CN' : 'en'}
      aria-label={t.switchLanguage}
      title={t.switchLanguage}
      onClick={switchLanguage}
    >
      {t.otherLanguage}
    </button>
  );
}

export function ThemeSwitch() {
  const { t } = useI18n();
  const dark = useObservable(theme) === 'dark';
  const label = dark ? t.toLight : t.toDark;
  return (
    <button type="button" className="icon-button" data-testid="theme-switch" aria-label={label} title={label} onClick={switchTheme}>
      {dark ? <SunIcon /> : <MoonIcon />}
    </button>
  );
}
