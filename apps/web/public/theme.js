// Runs before the first paint; src/lib/theme.ts takes over later and shares the key.
(() => {
  let theme = null;
  try {
    theme = localStorage.getItem('gapless.theme');
  } catch {
    // Storage is blocked: the system's choice stands.
  }
  if (theme !== 'light' && theme !== 'dark') theme = matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light';
  document.documentElement.dataset.theme = theme;
})();
