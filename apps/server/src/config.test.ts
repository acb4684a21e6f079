import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ConfigError, printConfig, readConfig } from './config.ts';
import { environmentName, flagName, SETTING_NAMES, withoutPassword } from './settings.ts';

describe('readConfig', () => {
  test('the defaults are right by themselves', () => {
    expect(readConfig({}, {})).toMatchObject({
      host: '127.0.0.1',
      port: 9001,
      store: 'sqlite',
      broker: 'memory',
      bus: 'none',
      rateLimits: 'on',
      logLevel: 'info',
    });
  });

  test('the names that PROTOCOL fixes are there', () => {
    const names = SETTING_NAMES.map(environmentName);
    for (const name of ['HOST', 'PORT', 'DATA_DIR', 'JWT_SECRET', 'JWKS_URL', 'STORE', 'BROKER', 'BUS', 'RATE_LIMITS', 'LOG_LEVEL'])
      expect(names).toContain(`GAPLESS_${name}`);
    expect(names).toEqual(expect.arrayContaining(['REALTIME_WS_SEND_QUEUE_MAX', 'REALTIME_WS_SEND_OVERFLOW_POLICY']));
    expect(flagName('dataDir')).toBe('--data-dir');
  });

  test('a flag beats the environment, the environment beats the default', () => {
    expect(readConfig({ GAPLESS_PORT: '7000' }, {}).port).toBe(7_000);
    expect(readConfig({ GAPLESS_PORT: '7000' }, { port: '8000' }).port).toBe(8_000);
  });

  test('a secret may stand in a file', () => {
    const file = join(mkdtempSync(join(tmpdir(), 'gapless-')), 'secret');
    writeFileSync(file, 'from a file\n');
    expect(readConfig({ GAPLESS_JWT_SECRET_FILE: file }, {}).jwtSecret).toBe('from a file');
    expect(() => readConfig({ GAPLESS_JWT_SECRET_FILE: `${file}.not` }, {})).toThrow(ConfigError);
  });

  test.each([
    [{ GAPLESS_PORT: 'x' }, /^GAPLESS_PORT: "x" .* whole number from 0 to 65535$/],
    [{ GAPLESS_PORT: '70000' }, /^GAPLESS_PORT/],
    [{ GAPLESS_PORT: '' }, /^GAPLESS_PORT/],
    [{ GAPLESS_RATE_LIMITS: 'maybe' }, /one of on, off$/],
    [{ GAPLESS_STORE: 'mysql://db' }, /^GAPLESS_STORE: the given value .* sqlite | memory | postgres:..…$/],
    [{ GAPLESS_ROLE: 'worker' }, /^role: a worker feeds the event bus/],
    [{ GAPLESS_ROLE: 'worker', GAPLESS_BUS: 'nats://n' }, /^role: a worker needs a store/],
    [{ GAPLESS_NODE_ID: 'a b' }, /^GAPLESS_NODE_ID/],
    [{ GAPLESS_REUSE_PORT: 'on', GAPLESS_PORT: '0' }, /^reuse-port/],
    [{ GAPLESS_JWKS_URL: 'file:///etc/passwd' }, /http/],
    [{ REALTIME_WS_SEND_QUEUE_MAX: '0' }, /^REALTIME_WS_SEND_QUEUE_MAX: "0" .* whole number from 1 to 10000$/],
    [{ REALTIME_WS_SEND_OVERFLOW_POLICY: 'x' }, /^REALTIME_WS_SEND_OVERFLOW_POLICY: "x" .* drop_oldest, drop_new, disconnect$/],
    [{ GAPLESS_PROT: '1' }, /^GAPLESS_PROT: unknown setting/],
    [{ GAPLESS_PORT_FILE: '/x' }, /unknown setting/],
  ])('%j stops the start with one line', (environment, message) => {
    expect(() => readConfig(environment as Record<string, string>, {})).toThrow(ConfigError);
    expect(() => readConfig(environment as Record<string, string>, {})).toThrow(message);
  });

  test('what is printed masks secrets, and can be read back', () => {
    const printed = printConfig(
      readConfig({ GAPLESS_JWT_SECRET: 'canary-of-a-secret', GAPLESS_ALLOWED_ORIGINS: 'https://a, https://b' }, {}),
    );
    expect(printed).not.toContain('canary');
    expect(printed).toContain('GAPLESS_JWT_SECRET=********');
    const again = Object.fromEntries(printed.split('\n').map((line) => line.split(/=(.*)/s).slice(0, 2)));
    expect(readConfig({ ...again, GAPLESS_JWT_SECRET: 'x' }, {}).allowedOrigins).toEqual(['https://a', 'https://b']);
  });
});

describe('who signs in at a store or broker, and with what, is never shown', () => {
  test.each([
    ['postgres://ada:geheim@db:5432/chat', 'postgres://********@db:5432/chat'],
    ['postgres://ada:ge/he@im@db/chat', 'postgres://********@db/chat'],
    ['nats://geheim@one:4222', 'nats://********@one:4222'],
    ['nats://a:geheim@one,b:geheim@two', 'nats://********@two'],
    ['postgres://db/chat?password=geheim&sslmode=require', 'postgres://db/chat?password=********&sslmode=require'],
    ['redis://one:6379', 'redis://one:6379'],
    ['sqlite', 'sqlite'],
  ])('%s', (url, shown) => {
    expect(withoutPassword(url)).toBe(shown);
    expect(withoutPassword(`store: cannot connect to ${url}`)).toBe(`store: cannot connect to ${shown}`);
  });

  test('config print', () => {
    const config = readConfig({ GAPLESS_STORE: 'postgres://ada:geheim@db/chat', GAPLESS_BROKER: 'nats://geheim@n' }, {});
    expect(printConfig(config)).toContain('GAPLESS_STORE=postgres://********@db/chat\n');
    expect(printConfig(config)).toContain('GAPLESS_BROKER=nats://********@n\n');
    expect(printConfig(config)).not.toContain('geheim');
  });
});
