import { execFile } from 'node:child_process';
import {
  appendFileSync,
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import postgres from 'postgres';
import { freePort } from './free-port.ts';
import { debianPostgres, npmPostgres, postgresVersion } from './postgres-binaries.ts';
import { type NotHere, type RunningService, startService } from './service.ts';

const execute = promisify(execFile);

export interface PostgresOptions {
  /** `npm`: PostgreSQL 18, installed when first asked for. `debian`: the newest of the machine. Absent: npm's, else Debian's. */
  which?: 'npm' | 'debian';
  /** As in postgresql.conf, by name. The rest is as initdb writes it: fsync and synchronous_commit are on. */
  settings?: Readonly<Record<string, string>>;
  /** Of a server made a moment ago, of the same `which`: this one is its standby. Both begin with the same data, which initdb wrote once. */
  primary?: RunningPostgres;
  /** Where its folder is made; the system's folder for temporary files when absent. */
  parent?: string;
}

export interface RunningPostgres extends RunningService {
  /** The url of a fresh empty database, UTF-8. */
  createDatabase(): Promise<string>;
  /** Runs one statement as its superuser. */
  query(text: string): Promise<readonly Record<string, unknown>[]>;
}

/** Many test files share one server, each node of a cluster has a pool. */
const MAX_CONNECTIONS = '200';
/** `--no-sync` is about initdb's own writing, not about the server's. */
const INITDB_ARGS = ['-U', 'gapless', '-A', 'trust', '-E', 'UTF8', '--no-sync'];
const TEMPLATES = join(import.meta.dirname, '../../../node_modules/.cache/gapless');

/** Starts a PostgreSQL of our own. */
export async function startPostgres({
  which,
  settings = {},
  primary,
  parent = tmpdir(),
}: PostgresOptions = {}): Promise<RunningPostgres | NotHere> {
  const found = await findPostgres(which);
  if ('reason' in found) return found;
  const { version, identity } = found;
  const folder = mkdtempSync(join(parent, 'gapless-postgres-'));
  own(folder, identity);
  const bin = join(reachable(found.home, folder, identity), 'bin');
  const data = join(folder, 'data');
  await writeData({ bin, data, version, identity });
  if (primary !== undefined) follow(data, primary);
  const port = await freePort();
  const url = (database: string) => `postgres://gapless@127.0.0.1:${port}/${database}`;
  const all = { port, listen_addresses: '127.0.0.1', unix_socket_directories: folder, max_connections: MAX_CONNECTIONS, ...settings };
  const service = await startService({
    url: url('postgres'),
    port,
    version,
    from: found.from,
    command: join(bin, 'postgres'),
    args: ['-D', data, ...Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`])],
    folder,
    ...identity,
    env: { LC_ALL: 'C' },
    // Fast shutdown: sessions are ended, nothing is waited for.
    stopSignal: 'SIGINT',
    ask: async () => void (await query(url('postgres'), 'select 1')),
  });
  return { ...service, createDatabase: () => createDatabase(service.url), query: (text) => query(service.url, text) };
}

let databases = 0;

/** Creates an empty database on the server of this url; returns the url of the database. */
export async function createDatabase(server: string): Promise<string> {
  const name = `test_${process.pid}_${Date.now().toString(36)}_${++databases}`;
  await query(server, `create database ${name} template template0 encoding 'UTF8'`);
  const url = new URL(server);
  url.pathname = `/${name}`;
  return url.href;
}

async function query(url: string, text: string): Promise<readonly Record<string, unknown>[]> {
  const sql = postgres(url, { max: 1, connect_timeout: 5, onnotice() {} });
  try {
    return await sql.unsafe(text);
  } finally {
    await sql.end({ timeout: 1 });
  }
}

/** Whom to run it as: ourselves, or for root somebody else. */
interface Identity {
  readonly uid?: number;
  readonly gid?: number;
}

export interface PostgresFound {
  /** The folder with `bin`, `lib` and `share`. */
  readonly home: string;
  readonly version: string;
  readonly from: string;
  readonly identity: Identity;
}

/** Installs npm's when that is wanted and not there. */
export async function findPostgres(which?: 'npm' | 'debian'): Promise<PostgresFound | NotHere> {
  if (which !== undefined) return find(which);
  const first = await find('npm');
  if (!('reason' in first)) return first;
  const second = await find('debian');
  return 'reason' in second ? { reason: `${first.reason}; ${second.reason}` } : second;
}

async function find(which: 'npm' | 'debian'): Promise<PostgresFound | NotHere> {
  const identity = unprivileged();
  if (identity === undefined) return { reason: 'PostgreSQL does not run as root, and there is no user postgres or nobody' };
  const home = which === 'npm' ? await npmPostgres() : debianPostgres();
  if (typeof home !== 'string') return home;
  const version = postgresVersion(home, {});
  if (version === undefined) return { reason: `PostgreSQL in ${home} does not run on this system` };
  return { home, version, from: which === 'npm' ? 'npm' : home, identity };
}

function unprivileged(): Identity | undefined {
  if (process.getuid?.() !== 0) return {};
  const users = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => line.split(':'));
  const user = users.find(([name]) => name === 'postgres') ?? users.find(([name]) => name === 'nobody');
  return user === undefined ? undefined : { uid: Number(user[2]), gid: Number(user[3]) };
}

function own(path: string, { uid, gid }: Identity): void {
  if (uid !== undefined) chownSync(path, uid, gid!);
}

/** Where that user can run it: there, or where the checkout is in a private folder (root's home, say) in a copy of it. */
function reachable(home: string, folder: string, identity: Identity): string {
  if (postgresVersion(home, identity) !== undefined) return home;
  const copy = join(folder, 'postgres');
  cpSync(home, copy, { recursive: true, verbatimSymlinks: true });
  return copy;
}

interface DataOptions {
  readonly bin: string;
  readonly data: string;
  readonly version: string;
  readonly identity: Identity;
}

/** What initdb writes takes seconds: it is done once per version and copied. */
async function writeData({ bin, data, version, identity }: DataOptions): Promise<void> {
  const template = join(TEMPLATES, `postgres-${version}-${identity.uid ?? 'own'}${INITDB_ARGS.join('')}`);
  if (existsSync(template)) return copy(template, data);
  await execute(join(bin, 'initdb'), ['-D', data, ...INITDB_ARGS], {
    ...identity,
    cwd: '/',
    env: { ...process.env, LC_ALL: 'C' },
  });
  mkdirSync(TEMPLATES, { recursive: true });
  const fresh = mkdtempSync(join(TEMPLATES, 'postgres-new-'));
  await copy(data, join(fresh, 'data'));
  try {
    renameSync(join(fresh, 'data'), template);
  } catch {
    // Another process was quicker.
  }
  rmSync(fresh, { recursive: true, force: true });
}

/** Makes it a standby: what the other one writes comes here, from the moment both were made. */
function follow(data: string, { port }: RunningPostgres): void {
  const connection = `host=127.0.0.1 port=${port} user=gapless application_name=standby`;
  appendFileSync(join(data, 'postgresql.auto.conf'), `primary_conninfo = '${connection}'\n`);
  writeFileSync(join(data, 'standby.signal'), '');
}

/** With owner and rights, as PostgreSQL wants them. */
async function copy(from: string, to: string): Promise<void> {
  await execute('cp', ['-a', from, to]);
}
