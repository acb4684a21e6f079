import { gzipSync } from 'node:zlib';
import { build } from 'vite';
import { expect, test } from 'vitest';

// 16 and not 15 KB: what it knows of networks in trouble (deaf ones, sign-in pages, servers that ask for patience) came to half a KB.
const MAX_BYTES = 16 * 1024;

test('the whole SDK is at most 16 KB, minified and gzipped', async () => {
  const built = await build({
    configFile: false,
    logLevel: 'silent',
    build: {
      write: false,
      minify: true,
      target: 'es2022',
      lib: { entry: new URL('index.ts', import.meta.url).pathname, formats: ['es'] },
    },
  });
  const outputs = [built].flat().flatMap((each) => ('output' in each ? each.output : []));
  const code = outputs.map((chunk) => (chunk.type === 'chunk' ? chunk.code : '')).join('');
  // The library format keeps line breaks for tree shaking; an app's bundle would not.
  const bytes = gzipSync(code, { level: 9 }).length;
  console.log(`@gapless/sdk: ${bytes} bytes gzipped, ${code.length} minified`);
  expect(code).not.toContain('typebox');
  expect(bytes).toBeLessThanOrEqual(MAX_BYTES);
});
