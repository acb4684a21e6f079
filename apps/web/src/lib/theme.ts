import { storage } from './storage.ts';
import { createStore } from './store.ts';

export type Theme = 'light' | 'dark';

const KEY = 'gapless.theme';
const system = matchMedia('(prefers-color-scheme: dark)');

/** public/theme.js set the attribute before the first paint. */
export const theme = createStore<Theme>(document.documentElement.dataset.theme === 'dark' ? 'dark' : 'light');

/** Choosing what the system has anyway means following the system again. */
export function switchTheme(): void {
  const next = theme.getSnapshot() === 'dark' ? 'light' : 'dark';
  if (next === systemTheme()) storage.removeItem(KEY);
  else storage.setItem(KEY, next);
  show(next);
}

export function followSystemTheme(): void {
  system.addEventListener('change', () => {
    if (storage.getItem(KEY) === null) show(systemTheme());
  });
}

function systemTheme(): Theme {
  return system.matches ? 'dark' : 'light';
}

function show(next: Theme): void {
  document.documentElement.dataset.theme = next;
  theme.set(next);
}
