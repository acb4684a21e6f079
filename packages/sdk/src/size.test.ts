import { gzipSync } from 'node:zlib';
import { build } from 'vite';
import { expect, test } from 'vitest';

const MAX_BYTES = 15 * 1024;

test('the whole SDK is at most 15 KB, minified and gzipped', async () => {
  const built = await build({
    configFile: false,
    logLevel: 'silent',
    build: {
      write: false,
      minify: true,
      target: 'es2022',
      // The format `es` keeps white space for tools that read it again; what a browser gets has none.
      lib: { entry: new URL('index.ts', import.meta.url).pathname, formats: ['iife'], name: 'gapless' },
    },
  });
  const outputs = [built].flat().flatMap((each) => ('output' in each ? each.output : []));
  const code = outputs.map((chunk) => (chunk.type === 'chunk' ? chunk.code : '')).join('');
  const bytes = gzipSync(code, { level: 9 }).length;
  console.log(`@gapless/sdk: ${bytes} bytes gzipped, ${code.length} minified`);
  expect(code).not.toContain('typebox');
  expect(bytes).toBeLessThanOrEqual(MAX_BYTES);
});
