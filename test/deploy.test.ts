import { globSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { createMetrics } from '../apps/server/src/metrics.ts';
import { environmentName, SETTING_NAMES, SETTINGS, type Setting } from '../apps/server/src/settings.ts';

// Goal: what stands under deploy/ fits the server it is for. Method: the names in it are looked up where they are defined. Not that the
// files are right for Docker, systemd or Kubernetes: see deploy/README.md.

const root = join(import.meta.dirname, '..');
const files = globSync('deploy/**/*', { cwd: root }).filter((file) => statSync(join(root, file)).isFile() && !file.includes('/secrets/'));
const read = (file: string) => readFileSync(join(root, file), 'utf8');

const known = new Set(
  SETTING_NAMES.flatMap((name) => {
    const variable = environmentName(name);
    return (SETTINGS[name] as Setting<unknown>).secret === true ? [variable, `${variable}_FILE`] : [variable];
  }),
);

test('there is something to look at', () => {
  expect(files.length).toBeGreaterThan(10);
});

describe.each(files)('%s', (file) => {
  test('names only settings that there are', () => {
    const named = [...read(file).matchAll(/\bGAPLESS_[A-Z_]*[A-Z]\b/g)].map(([name]) => name);
    expect(named.filter((name) => !known.has(name))).toEqual([]);
  });

  test('gives them values that the server takes', () => {
    for (const [name, value] of valuesIn(read(file))) {
      const setting = SETTING_NAMES.find((candidate) => environmentName(candidate) === name);
      if (setting === undefined || value === '' || value.includes('%')) continue;
      expect(() => SETTINGS[setting].parse(value), `${name}=${value}`).not.toThrow();
    }
  });

  test('has no tabs and no spaces at the end of lines', () => {
    if (file.endsWith('.yaml')) expect(read(file)).not.toMatch(/\t| +$/m);
  });
});

test('files that are named are there', () => {
  const gone = [
    ...named('deploy/docker/Dockerfile', /(?:from=\w+ \/app\/|"node", ")((?:apps|packages|package\.json)[\w./-]*)/g, root),
    ...named('deploy/docker/compose.yaml', /(?:context|dockerfile): (\S+)/g, join(root, 'deploy/docker'), root),
    ...named('deploy/docker/compose.cluster.yaml', /(?:context|dockerfile): (\S+)|- (\.\/\S+?):/g, join(root, 'deploy/docker'), root),
    ...named('deploy/kubernetes/base/kustomization.yaml', /^ {2}- (\S+\.yaml)$/gm, join(root, 'deploy/kubernetes/base')),
    ...globSync('deploy/systemd/*', { cwd: root }).flatMap((file) => [
      ...named(file, /(?:file:\/\/\/opt\/gapless\/|\/usr\/bin\/node )(\S+)/g, root),
    ]),
  ];
  expect(gone.filter((path) => path !== 'apps/web/dist')).toEqual([]);
});

test('every secret of the cluster is made by the script', () => {
  const wanted = [...read('deploy/docker/compose.cluster.yaml').matchAll(/file: \.\/secrets\/(\S+)/g)].map((match) => match[1]);
  const made = [...read('deploy/docker/make-secrets.sh').matchAll(/>secrets\/(\S+)/g)].map((match) => match[1]);
  expect(wanted.length).toBeGreaterThan(0);
  expect(made.toSorted()).toEqual(wanted.toSorted());
});

test('alerts look at metrics that there are', async () => {
  const metrics = createMetrics();
  metrics.writer.watchDepth(() => 0);
  const { body } = await metrics.text();
  const gone = [...read('deploy/prometheus/alerts.yaml').matchAll(/\bgapless_\w+/g)]
    .map(([name]) => name.replace(/_bucket$/, ''))
    .filter((name) => !body.includes(`# TYPE ${name} `));
  expect(gone).toEqual([]);
});

test('what is left alone at the end is longer than the server takes to end', () => {
  const graces = {
    'deploy/docker/compose.yaml': /stop_grace_period: (\d+)s/,
    'deploy/systemd/gapless.service': /TimeoutStopSec=(\d+)/,
    'deploy/systemd/gapless@.service': /TimeoutStopSec=(\d+)/,
    'deploy/kubernetes/base/gateway.yaml': /terminationGracePeriodSeconds: (\d+)/,
    'deploy/docker/compose.cluster.yaml': /stop_grace_period: (\d+)s/,
  };
  const afterDrainMs = Number(/SHUTDOWN_MAX_MS = ([\d_]+)/.exec(read('apps/server/src/commands/serve.ts'))![1]!.replaceAll('_', ''));
  for (const [file, pattern] of Object.entries(graces)) {
    const beside = read(file) + (file.startsWith('deploy/kubernetes') ? read('deploy/kubernetes/base/config.yaml') : '');
    const drainMs = Number(/GAPLESS_DRAIN_SPREAD_MS\W+(\d+)/.exec(beside)?.[1] ?? SETTINGS.drainSpreadMs.default);
    expect(Number(pattern.exec(read(file))?.[1]) * 1_000, file).toBeGreaterThan(drainMs + afterDrainMs);
  }
});

/** `NAME=value`, `NAME: value`, and Kubernetes' name and value on two lines. */
function valuesIn(text: string): [string, string][] {
  const withoutComments = text.replaceAll(/^ *#.*$/gm, '');
  return [...withoutComments.matchAll(/\b(GAPLESS_[A-Z_]*[A-Z])(?:=|: |\n +value: )'?([^\s'#]*)/g)].map((match) => [match[1]!, match[2]!]);
}

/** What the pattern finds in the file and is in none of the folders. */
function named(file: string, pattern: RegExp, ...folders: string[]): string[] {
  const names = [...read(file).matchAll(pattern)].map((match) => (match[1] ?? match[2])!);
  if (names.length === 0) throw new Error(`${file}: ${dirname(file)} names no file any more; the pattern is old`);
  return names.filter((name) => !folders.some((folder) => statSync(join(folder, name), { throwIfNoEntry: false }) !== undefined));
}
