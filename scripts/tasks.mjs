// What each npm script does, once packages and runtime are there.
import { existsSync, readdirSync } from 'node:fs';
import { buildOnce } from './bootstrap.mjs';

const server = 'apps/server/src/main.ts';

const buildWeb = (context) =>
  buildOnce('web', ['apps/web', 'packages/sdk/src', 'packages/protocol/src', 'package-lock.json'], 'apps/web/dist/index.html', () =>
    context.bin('vite', 'bin/vite.js', ['build', 'apps/web', '--logLevel', 'warn'], {
      stdio: ['ignore', 2, 2],
      env: { NODE_ENV: 'production' },
    }),
  );

/** Runs steps until one fails. */
async function inOrder(...steps) {
  for (const step of steps) {
    const status = await step();
    if (status !== 0) return status;
  }
  return 0;
}

export const tasks = {
  start: (context, args) =>
    inOrder(
      () => buildWeb(context),
      () => context.node(server, ['serve', ...args]),
    ),
  dev: (context, args) =>
    inOrder(
      () => buildWeb(context),
      () => context.node('--watch', [server, 'serve', ...args]),
    ),
  test: (context, args) =>
    inOrder(
      () => buildWeb(context),
      () => context.bin('vitest', 'vitest.mjs', ['run', ...args]),
    ),
  build: (context) => buildWeb(context),
  check: (context) =>
    inOrder(
      () => context.bin('typescript', 'bin/tsc', ['-p', 'tsconfig.json']),
      () => context.bin('@biomejs/biome', 'bin/biome', ['check', '.']),
      () => context.node('scripts/generate.ts', ['--check']),
    ),
  format: (context, args) => context.bin('@biomejs/biome', 'bin/biome', ['check', '--write', ...(args.length > 0 ? args : ['.'])]),
  generate: (context) => context.node('scripts/generate.ts'),
  sim: (context, args) => context.node('test/sim/run.ts', args),
  bench: (context, [name, ...args]) => {
    const benches = readdirSync('bench').filter((each) => existsSync(`bench/${each}/run.ts`));
    if (benches.includes(name)) return context.node(`bench/${name}/run.ts`, args);
    console.error(`Usage: npm run bench -- (${benches.join(' | ')}) [options]; the first lines of bench/<name>/run.ts tell which`);
    return 2;
  },
};
