import type { Texts } from '../i18n/index.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

export interface Locale {
  readonly tag: string;
  readonly t: Pick<Texts, 'today' | 'yesterday' | 'justNow'>;
}

/** 14:05, or 2:05 PM where that is the custom. */
export function clockTime(at: number, { tag }: Locale): string {
  return formatter(tag, { hour: 'numeric', minute: '2-digit' }).format(at);
}

/** Everything about an instant, for tooltips. */
export function fullTime(at: number, { tag }: Locale): string {
  return formatter(tag, { dateStyle: 'full', timeStyle: 'medium' }).format(at);
}

/** Heading of a day: today, yesterday, a weekday with its date; with the year once it is not this one. */
export function dayHeading(at: number, now: number, locale: Locale): string {
  const days = daysBetween(at, now);
  if (days === 0) return locale.t.today;
  if (days === 1) return locale.t.yesterday;
  const year = sameYear(at, now) ? {} : ({ year: 'numeric' } as const);
  return formatter(locale.tag, { weekday: 'long', day: 'numeric', month: 'long', ...year }).format(at);
}

/** Short form for the list: time today, yesterday, weekday within the week, else a date. */
export function listTime(at: number, now: number, locale: Locale): string {
  const days = daysBetween(at, now);
  if (days <= 0) return clockTime(at, locale);
  if (days === 1) return locale.t.yesterday;
  if (days < 7) return formatter(locale.tag, { weekday: 'short' }).format(at);
  if (sameYear(at, now)) return formatter(locale.tag, { day: 'numeric', month: 'short' }).format(at);
  return formatter(locale.tag, { dateStyle: 'short' }).format(at);
}

/** "5 minutes ago". */
export function ago(at: number, now: number, { tag, t }: Locale): string {
  const passed = Math.max(0, now - at);
  if (passed < MINUTE_MS) return t.justNow;
  const relative = new Intl.RelativeTimeFormat(tag, { numeric: 'auto' });
  if (passed < HOUR_MS) return relative.format(-Math.floor(passed / MINUTE_MS), 'minute');
  if (passed < DAY_MS) return relative.format(-Math.floor(passed / HOUR_MS), 'hour');
  return relative.format(-Math.floor(passed / DAY_MS), 'day');
}

/** As the server describes browsers; what users call their devices stays as it is. */
const BROWSER_ON_SYSTEM = /^([A-Za-z ]+) on (iPhone|iPad|Android|ChromeOS|Windows|macOS|Linux)$/;

/** A sign-in's label in the user's language. */
export function deviceName(label: string, { t }: { readonly t: Pick<Texts, 'deviceOn' | 'unknownDevice'> }): string {
  const [, browser, system] = BROWSER_ON_SYSTEM.exec(label) ?? [];
  if (browser !== undefined && system !== undefined) return t.deviceOn(browser, system);
  return label === '' ? t.unknownDevice : label;
}

export function nameList(names: readonly string[], { tag }: Pick<Locale, 'tag'>): string {
  return new Intl.ListFormat(tag, { type: 'conjunction' }).format(names);
}

/** Calendar days, so that 23:59 is yesterday at 00:01. Rounded: days with a clock change are 23 or 25 hours long. */
function daysBetween(at: number, now: number): number {
  return Math.round((startOfDay(now) - startOfDay(at)) / DAY_MS);
}

function startOfDay(at: number): number {
  return new Date(at).setHours(0, 0, 0, 0);
}

function sameYear(a: number, b: number): boolean {
  return new Date(a).getFullYear() === new Date(b).getFullYear();
}

const formatters = new Map<string, Intl.DateTimeFormat>();

/** Kept: making one is far dearer than using it. */
function formatter(tag: string, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const key = tag + JSON.stringify(options);
  let made = formatters.get(key);
  if (made === undefined) formatters.set(key, (made = new Intl.DateTimeFormat(tag, options)));
  return made;
}
