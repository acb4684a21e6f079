import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { HttpClient, launchServer, TEST_SECRET } from '@gapless/testkit';
import { decodeJwt } from 'jose';
import { describe, expect, test } from 'vitest';
import { createProgram } from './main.ts';

// Goal: the command line as someone new meets it. Method: the real program in a process of its own.

const MAIN = join(import.meta.dirname, 'main.ts');

function gapless(args: string[], env: Record<string, string> = {}): Promise<{ status: number; out: string; err: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [MAIN, ...args], { env: { PATH: process.env.PATH, ...env } }, (error, out, err) =>
      resolve({ status: error === null ? 0 : ((error.code as unknown as number) ?? 1), out, err }),
    );
  });
}

const temporary = () => mkdtempSync(join(tmpdir(), 'gapless-cli-'));

test('help names every command, and serve every setting', () => {
  const program = createProgram();
  expect(program.helpInformation()).toMatchInlineSnapshot(`
    "Usage: gapless [options] [command]

    Chat infrastructure that a team runs itself.

    Options:
      -V, --version              output the version number
      -h, --help                 display help for command

    Commands:
      serve [options]            Start the server.
      token                      Access tokens.
      migrate                    The database: its schema, and moving to Postgres.
      config                     Settings.
      smoke [options]            Run an end-to-end scenario against a server and
                                 report each step.
      check [options] <file...>  Check histories that clients recorded: nothing
                                 lost, twice, out of order or invented.
      load [options]             Put load on a server by the clock, and report
                                 latency, loss and order.
      drill [options] <name...>  Break something on purpose, and check that nothing
                                 was lost, doubled or reordered.
      help [command]             display help for command
    "
  `);
  const serve = program.commands.find((command) => command.name() === 'serve')!.helpInformation();
  for (const flag of ['--port', '--data-dir', '--jwt-secret', '--rate-limits']) expect(serve).toContain(flag);
  expect(serve).toContain('GAPLESS_PORT');
});

describe('wrong input: one line and status 2', () => {
  test.each([
    [['serve', '--port', 'x'], {}, /^gapless: --port: "x"/],
    [['config', 'print'], { GAPLESS_PROT: '1' }, /^gapless: GAPLESS_PROT: unknown setting/],
    [['serve', '--prot', '1'], {}, /unknown option '--prot'/],
    [['nonsense'], {}, /unknown command 'nonsense'/],
    [['token', 'create'], {}, /--user/],
    [['token', 'create', '--user', 'a', '--role', 'king'], {}, /role/],
    [['token', 'create', '--user', 'a', '--jwt-secret', 'short'], {}, /shorter than 8/],
    [['migrate', 'copy', '--to', 'postgres://u@h/d'], {}, /--from/],
    [['migrate', 'copy', '--from', 'x'], {}, /^gapless: --to: must be postgres:\/\//],
    [['migrate', 'copy', '--from', 'x', '--to', 'mysql://u@h/d'], {}, /^gapless: --to: must be postgres:\/\//],
    [['migrate', 'copy', '--from', 'x'], { GAPLESS_STORE: 'postgres://u@h/d' }, /^gapless: --from: there is no database at x/],
    [['load'], {}, /^gapless: --jwt-secret: needed/],
    [['load', '--mode', 'nonsense'], {}, /single_e2e/],
    [['load', '--clients', 'many'], {}, /A number from 0/],
    [['load', '--clients', '3', '--jwt-secret', 'x'], {}, /^gapless: --clients: an even number/],
    [['load', '--steady-pct', '5', '--jwt-secret', 'x'], {}, /^gapless: --steady-pct: only in mode resume/],
    [['load', '--find-max-p99-ms', '800', '--repeats', '2', '--jwt-secret', 'x'], {}, /^gapless: --find-max-p99-ms/],
    [['load', '--self-test', '--acks'], {}, /^gapless: --self-test: .*--acks/],
  ])('%j', async (args, env, message) => {
    const { status, err } = await gapless(args, env);
    expect(status).toBe(2);
    expect(err).toMatch(message);
    expect(err).not.toContain('    at ');
  });
});

test('token create makes a token that the server takes', async () => {
  const dataDir = temporary();
  const { out, status } = await gapless(['token', 'create', '--user', 'ada', '--name', 'Ada L.', '--minutes', '5', '--data-dir', dataDir]);
  expect(status).toBe(0);
  const claims = decodeJwt(out.trim());
  expect(claims).toMatchObject({ sub: 'ada', name: 'Ada L.', role: 'user' });
  expect(claims.exp! - claims.iat!).toBe(300);
  const server = await launchServer({ dataDir, env: { GAPLESS_JWT_SECRET: readFileSync(join(dataDir, 'jwt.secret'), 'utf8').trim() } });
  expect(await new HttpClient(server.url, out.trim()).call('GET', '/v1/me')).toMatchObject({
    status: 200,
    body: { userId: 'ada', displayName: 'Ada L.' },
  });
  await server.stop();
});

test('the secret is made once, for the owner’s eyes only, and kept', async () => {
  const dataDir = temporary();
  await gapless(['token', 'create', '--user', 'a', '--data-dir', dataDir]);
  const file = join(dataDir, 'jwt.secret');
  const secret = readFileSync(file, 'utf8');
  expect(statSync(file).mode & 0o777).toBe(0o600);
  await gapless(['token', 'create', '--user', 'a', '--data-dir', dataDir]);
  expect(readFileSync(file, 'utf8')).toBe(secret);
});

test('migrate status says what there is and changes nothing', async () => {
  const dataDir = temporary();
  expect((await gapless(['migrate', 'status', '--data-dir', dataDir])).out).toContain('No database');
  const server = await launchServer({ dataDir });
  await server.stop();
  const { out } = await gapless(['migrate', 'status', '--data-dir', dataDir]);
  expect(out).toMatch(/0001 {2}applied {3}\d{4}-.*init/);
});

test('a data folder in use, or that is none, is refused in one line', async () => {
  const server = await launchServer();
  const second = await gapless(['serve', '--port', '0', '--data-dir', server.dataDir]);
  expect([second.status, second.err.trim().split('\n').length]).toEqual([2, 1]);
  expect(second.err).toContain('another server');
  const file = join(temporary(), 'file');
  writeFileSync(file, '');
  expect((await gapless(['serve', '--port', '0', '--data-dir', file])).status).toBe(2);
  const taken = await gapless(['serve', '--port', String(server.port), '--data-dir', temporary()]);
  expect([taken.status, taken.err]).toEqual([1, expect.stringContaining('--port')]);
  await server.stop();
});

test('smoke passes against a server and fails clearly against none', async () => {
  const server = await launchServer({ env: { GAPLESS_RATE_LIMITS: 'on' } });
  const good = await gapless(['smoke', '--url', server.url]);
  expect(good.out).toMatch(/PASSED: 9 steps passed, 0 failed/);
  expect(good.status).toBe(0);
  await server.stop();
  const bad = await gapless(['smoke', '--url', server.url]);
  expect(bad.out).toMatch(/FAILED {2}the server is ready: .*ECONNREFUSED/);
  expect(bad.status).toBe(1);
});

test('tokens, passwords and bodies are not in the log, also when everything is logged', async () => {
  const server = await launchServer({ env: { GAPLESS_LOG_LEVEL: 'debug', GAPLESS_LOG_SAMPLE_RATE: '1' } });
  const http = new HttpClient(server.url);
  const { body } = await http.call('POST', '/v1/auth/register', { username: 'ada', password: 'canary-password' });
  const ada = new HttpClient(server.url, body.accessToken);
  const cid = await ada.create('group', []);
  await ada.call('POST', `/v1/conversations/${cid}/messages`, { mid: 'm', kind: 'text', body: { text: 'canary-body' } });
  await ada.call('GET', `/v1/conversations?token=${body.accessToken}`);
  await http.call('POST', '/v1/auth/login', { username: 'ada', password: 'canary-wrong' });
  await http.call('POST', '/v1/auth/refresh', { refreshToken: body.refreshToken });
  await server.stop();
  expect(server.output()).toContain('message saved');
  for (const secret of ['canary', body.accessToken, body.refreshToken]) expect(server.output()).not.toContain(secret);
});

test('log sampling is switched while running, for one conversation', async () => {
  const server = await launchServer({ env: { GAPLESS_LOG_LEVEL: 'info', GAPLESS_LOG_SAMPLE_RATE: '0' } });
  const ada = new HttpClient(server.url, await server.token('ada'));
  const admin = new HttpClient(server.url, await server.token('backend', { role: 'admin' }));
  const [followed, other] = [await ada.create('group', []), await ada.create('group', [])];
  expect((await ada.call('PUT', '/v1/admin/log-sampling', { rate: 1, cids: [] })).status).toBe(403);
  expect((await admin.call('PUT', '/v1/admin/log-sampling', { rate: 0, cids: [followed] })).status).toBe(200);
  for (const cid of [followed, other]) await ada.call('POST', `/v1/conversations/${cid}/messages`, { mid: 'm', kind: 'text', body: {} });
  await server.stop();
  const logged = server
    .output()
    .split('\n')
    .filter((line) => line.includes('message saved'));
  expect(logged).toHaveLength(1);
  expect(logged[0]).toContain(followed);
});

describe('load', () => {
  const quick = ['--mode', 'group', '--clients', '6', '--group-size', '3', '--duration', '1', '--msg-interval-ms', '200'];

  test('keeps its result and its page; the status tells whether a threshold was missed', async () => {
    const server = await launchServer();
    const [json, html] = ['r.json', 'r.html'].map((name) => join(temporary(), name)) as [string, string];
    const args = ['load', '--url', server.url, '--jwt-secret', TEST_SECRET, ...quick];
    const good = await gapless([...args, '--json', json, '--html', html]);
    expect([good.status, good.out, good.err]).toEqual([
      0,
      expect.stringMatching(/PASSED\n$/),
      expect.stringContaining('connected 6 of 6 in'),
    ]);
    expect(JSON.parse(readFileSync(json, 'utf8'))).toMatchObject({ counts: { sent: 30, received: 90 }, deliveredPct: 100, failures: [] });
    expect(readFileSync(html, 'utf8')).toContain('<svg');
    const slow = await gapless([...args, '--fail-p99-ms', '0.001']);
    expect([slow.status, slow.out]).toEqual([1, expect.stringMatching(/FAILED {5}e2e p99 .* at most 0.001 allowed\n$/)]);
    await server.stop();
  });

  test('repeats make one table, and the worst decides', async () => {
    const server = await launchServer();
    const json = join(temporary(), 'r.json');
    const args = ['load', '--url', server.url, '--jwt-secret', TEST_SECRET, ...quick, '--repeats', '2', '--json', json];
    const { status, out } = await gapless(args);
    expect([status, out]).toEqual([0, expect.stringMatching(/median[\s\S]*worst[\s\S]*PASSED {5}2 runs\n$/)]);
    expect(JSON.parse(readFileSync(json, 'utf8'))).toMatchObject({ runs: [{}, {}], worst: { errors: 0 }, failures: [[], []] });
    await server.stop();
  });

  test('the search for the highest rate ends with a table, or says that the first does not hold', async () => {
    const server = await launchServer();
    const { status, out } = await gapless([
      'load',
      '--url',
      server.url,
      '--jwt-secret',
      TEST_SECRET,
      ...quick,
      '--find-max-p99-ms',
      '0.001',
    ]);
    expect([status, out]).toEqual([
      1,
      expect.stringMatching(/messages\/s[\s\S]*FAILED {5}not even 30 messages\/s hold e2e p99 ≤ 0.001 ms/),
    ]);
    await server.stop();
  });

  test('no server: one line', async () => {
    const server = await launchServer();
    await server.stop();
    const { status, err } = await gapless(['load', '--url', server.url, '--jwt-secret', TEST_SECRET]);
    expect([status, err]).toEqual([1, expect.stringMatching(/^gapless: http:.*ECONNREFUSED.*\n$/m)]);
  });
});
