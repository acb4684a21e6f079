import { globSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { describe, expect, test } from 'vitest';

// Goal: the layers hold. Method: every import of every source file is looked up in the table (docs/internals/architecture.md).

const root = join(import.meta.dirname, '..');

/** Who may import whom. Nothing sideways, nothing upward: so there are no cycles. */
const MAY_IMPORT: Record<string, readonly string[]> = {
  'packages/kit': [],
  'packages/launch': [],
  'packages/protocol': ['kit'],
  'packages/core': ['kit', 'protocol'],
  'packages/adapters': ['kit', 'protocol', 'core'],
  'packages/gateway': ['kit', 'protocol', 'core'],
  'packages/api': ['kit', 'protocol', 'core'],
  'packages/worker': ['kit', 'protocol', 'core'],
  'packages/sdk': ['protocol'],
  'packages/testkit': ['kit', 'protocol', 'core', 'launch'],
  'apps/server': ['kit', 'protocol', 'core', 'adapters', 'gateway', 'api', 'worker', 'sdk', 'loadtest'],
  'apps/loadtest': ['kit', 'protocol', 'sdk', 'launch'],
  'apps/web': ['sdk'],
};

/** Tests may also use the fakes and the suites. */
const TESTS_MAY_IMPORT = ['testkit', 'adapters', 'kit'];

const IMPORT = /^\s*(?:import|export)\b[^'"]*?from\s+['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]\s*\)|^import\s+['"]([^'"]+)['"]/gm;

/** Suites, and what only they use. */
function isTest(file: string): boolean {
  return /\.test(-util)?\.tsx?$|\/src\/testing\//.test(file);
}

function importsOf(file: string): string[] {
  return [...readFileSync(file, 'utf8').matchAll(IMPORT)].map((match) => (match[1] ?? match[2] ?? match[3])!);
}

const packages = globSync('{packages,apps}/*/package.json', { cwd: root }).map((file) => dirname(file).replaceAll('\\', '/'));

test('every package stands in the table', () => {
  expect(packages.toSorted()).toEqual(Object.keys(MAY_IMPORT).toSorted());
});

describe.each(packages)('%s', (folder) => {
  const files = globSync(`${folder}/src/**/*.{ts,tsx}`, { cwd: root });
  const manifest = JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8'));

  test('imports only what the table allows', () => {
    const wrong = files.flatMap((file) => {
      const allowed = [...MAY_IMPORT[folder]!, ...(isTest(file) ? TESTS_MAY_IMPORT : [])];
      return importsOf(join(root, file))
        .filter((specifier) => specifier.startsWith('@gapless/') && !allowed.includes(specifier.split('/')[1]!))
        .map((specifier) => `${file} → ${specifier}`);
    });
    expect(wrong).toEqual([]);
  });

  test('reaches other packages through their doors only', () => {
    const wrong = files.flatMap((file) =>
      importsOf(join(root, file))
        .filter(
          (specifier) => specifier.startsWith('.') && relative(join(root, folder), join(root, dirname(file), specifier)).startsWith('..'),
        )
        .map((specifier) => `${file} → ${specifier}`),
    );
    expect(wrong).toEqual([]);
  });

  test('declares what it imports', () => {
    const declared = Object.keys({
      ...manifest.dependencies,
      ...manifest.devDependencies,
      ...manifest.peerDependencies,
      ...manifest.optionalDependencies,
    });
    const wrong = files
      .filter((file) => !isTest(file) && folder !== 'packages/testkit')
      .flatMap((file) =>
        importsOf(join(root, file))
          .filter((specifier) => !/^[./]|^node:/.test(specifier))
          .map((specifier) =>
            specifier
              .split('/')
              .slice(0, specifier.startsWith('@') ? 2 : 1)
              .join('/'),
          )
          .filter((name) => !declared.includes(name))
          .map((name) => `${file} → ${name}`),
      );
    expect(wrong).toEqual([]);
  });
});
