// Installs what a fresh checkout lacks. Plain JavaScript for Node 20: it runs before anything is installed.
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { delimiter, dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = dirname(dirname(fileURLToPath(import.meta.url)));
const runtimeDir = join(root, 'tools/runtime');

/** Oldest Node with `node:sqlite` without a flag and type stripping: see docs/adr/0001. */
const MIN_NODE = [24, 15];

/** Path of a Node that is new enough: the machine's own, or one installed under tools/runtime. */
export function ensureRuntime() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major > MIN_NODE[0] || (major === MIN_NODE[0] && minor >= MIN_NODE[1])) return process.execPath;
  installOnce(process.execPath, runtimeDir, [join(runtimeDir, 'package-lock.json')], 'Node.js runtime');
  const node = findRuntime();
  if (node === undefined)
    fail(`no Node.js package for ${process.platform}-${process.arch}; install Node >= ${MIN_NODE.join('.')} and try again`);
  return node;
}

function findRuntime() {
  const modules = join(runtimeDir, 'node_modules');
  for (const name of existsSync(modules) ? readdirSync(modules) : []) {
    if (!name.startsWith('node-')) continue;
    for (const file of ['bin/node', 'bin/node.exe']) {
      const path = join(modules, name, file);
      if (existsSync(path)) return path;
    }
  }
  return undefined;
}

/** Installs the workspace's packages when the lock file differs from what is installed. */
export function ensureInstalled(node) {
  const manifests = ['packages', 'apps'].flatMap((folder) =>
    readdirSync(join(root, folder)).map((name) => join(root, folder, name, 'package.json')),
  );
  installOnce(node, root, [join(root, 'package-lock.json'), join(root, 'package.json'), ...manifests.filter(existsSync)], 'packages');
}

/** `npm ci` in `dir`, unless a stamp says that exactly these files were installed already. */
function installOnce(node, dir, files, what) {
  const stamp = join(dir, 'node_modules/.gapless-installed');
  const want = digest(files);
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === want) return;
  console.error(`Installing ${what} …`);
  const [command, args] = npm(node);
  const done = spawnSync(command, [...args, 'ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: dir,
    stdio: ['ignore', 2, 2],
    env: cleanEnv(node),
    shell: command === 'npm' && process.platform === 'win32',
  });
  if (done.status !== 0) fail(`installing ${what} failed (npm ci, exit ${done.status ?? done.signal})`);
  writeFileSync(stamp, want);
}

/** npm as it was called (its own script, run by `node`), else whatever is on the PATH. */
function npm(node) {
  const script = process.env.npm_execpath;
  return script?.endsWith('.js') && existsSync(script) ? [node, [script]] : ['npm', []];
}

/** The environment without what the outer npm run put there for itself: it would redirect the inner npm. */
function cleanEnv(node) {
  const env = Object.fromEntries(
    Object.entries(process.env).filter(([key]) => !/^npm_(config|package|lifecycle)_/i.test(key) && key !== 'INIT_CWD'),
  );
  env.PATH = `${dirname(node)}${delimiter}${process.env.PATH ?? ''}`;
  return env;
}

/** How soon we notice that whoever started us is gone without a word (kill -9 of npm, say). */
const PARENT_CHECK_MS = 250;

/**
 * Runs `command` with the right Node first on the PATH; resolves to its exit status.
 * SIGTERM is handed on (a terminal's SIGINT reaches the child by itself), and this process waits for the child to finish. A child that
 * listens for `disconnect` learns when this process is killed; when its own parent is killed, both end: no server is left behind.
 */
export function run(node, command, args, { env = {}, stdio = ['inherit', 'inherit', 'inherit', 'ipc'] } = {}) {
  const child = spawn(command, args, { cwd: root, stdio, env: { ...cleanEnv(node), ...env } });
  const forward = (signal) => child.kill(signal);
  // The terminal sends SIGINT to the child too; it is only kept from ending us first.
  const wait = () => {};
  process.on('SIGINT', wait).on('SIGTERM', forward);
  const parent = process.ppid;
  const watch = setInterval(() => process.ppid !== parent && child.kill('SIGKILL'), PARENT_CHECK_MS);
  return new Promise((resolve) => {
    child.on('error', (error) => resolve(fail(error.message)));
    child.on('exit', (code, signal) => {
      clearInterval(watch);
      process.off('SIGINT', wait).off('SIGTERM', forward);
      resolve(code ?? 128 + (constants.signals[signal] ?? 0));
    });
  });
}

/** A task is a function `(context, args) => exit status`. */
export function runTask(node, task, args) {
  const context = {
    node: (script, scriptArgs = [], options) => run(node, node, [script, ...scriptArgs], options),
    bin: (pkg, file, binArgs = [], options) => run(node, node, [join(root, 'node_modules', pkg, file), ...binArgs], options),
  };
  return task(context, args);
}

/**
 * Runs `build` unless the files below `sources` are those of the last build.
 * The stamp holds path, size and time of each file, so checking costs a few milliseconds.
 */
export async function buildOnce(name, sources, output, build) {
  const stamp = join(root, 'node_modules/.cache/gapless', `${name}.stamp`);
  const want = fingerprint(sources.map((source) => join(root, source)));
  if (existsSync(join(root, output)) && existsSync(stamp) && readFileSync(stamp, 'utf8') === want) return 0;
  console.error(`Building ${name} …`);
  const status = await build();
  if (status === 0) {
    mkdirSync(dirname(stamp), { recursive: true });
    writeFileSync(stamp, want);
  }
  return status;
}

function fingerprint(paths) {
  const lines = [];
  const visit = (path) => {
    const stat = statSync(path, { throwIfNoEntry: false });
    if (stat === undefined) return;
    if (!stat.isDirectory()) lines.push(`${relative(root, path)} ${stat.size} ${stat.mtimeMs}`);
    else for (const name of readdirSync(path).sort()) if (name !== 'node_modules' && name !== 'dist') visit(join(path, name));
  };
  paths.forEach(visit);
  return createHash('sha256').update(lines.join('\n')).digest('hex');
}

function digest(files) {
  const hash = createHash('sha256');
  for (const file of files) hash.update(readFileSync(file));
  return hash.digest('hex');
}

function fail(message) {
  console.error(`gapless: ${message}`);
  process.exit(1);
}
