import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['packages/*/src/**/*.test.ts', 'apps/*/src/**/*.test.{ts,tsx}', 'test/**/*.test.ts'],
    globalSetup: './test/run-setup.ts',
    // Two cores: more files at a time only make each slower, and the end-to-end ones start servers and browsers.
    maxWorkers: 2,
    // Against hanging for ever; no test measures time.
    testTimeout: 120_000,
    hookTimeout: 120_000,
    reporters: ['default', './test/closing-line.ts'],
  },
});
