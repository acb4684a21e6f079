import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startApi } from './api.test-util.ts';

const HTML = { accept: 'text/html,application/xhtml+xml' };

let parent: string;
let webRoot: string;

beforeAll(() => {
  parent = mkdtempSync(join(tmpdir(), 'gapless-web-'));
  webRoot = join(parent, 'dist');
  mkdirSync(join(webRoot, 'assets'), { recursive: true });
  writeFileSync(join(webRoot, 'index.html'), '<!doctype html><title>app</title>');
  writeFileSync(join(webRoot, 'favicon.svg'), '<svg xmlns="http://www.w3.org/2000/svg"/>');
  writeFileSync(join(webRoot, 'assets', 'app-1a2b.js'), 'export {};');
  writeFileSync(join(webRoot, '.env'), 'hidden');
  writeFileSync(join(parent, 'outside.txt'), 'outside');
});

afterAll(() => rmSync(parent, { recursive: true }));

describe('the web app', () => {
  test('its page is asked for again, its assets never', async () => {
    const { app } = await startApi({ webRoot });
    const page = await app.inject({ url: '/' });
    expect([page.statusCode, page.headers['content-type'], page.headers['cache-control']]).toEqual([
      200,
      'text/html; charset=utf-8',
      'no-cache',
    ]);
    const asset = await app.inject({ url: '/assets/app-1a2b.js' });
    expect(asset.headers['content-type']).toMatch(/javascript/);
    expect(asset.headers['cache-control']).toBe('public, max-age=31536000, immutable');
    expect((await app.inject({ url: '/favicon.svg' })).headers['cache-control']).toBe('no-cache');
    const again = await app.inject({ url: '/', headers: { 'if-none-match': String(page.headers.etag) } });
    expect(again.statusCode).toBe(304);
  });

  test.each(['/c/some-conversation', '/login?next=/', '/v1x', '/sseless'])('%s is a page of it', async (url) => {
    const { app } = await startApi({ webRoot });
    const response = await app.inject({ url, headers: HTML });
    expect([response.statusCode, response.headers['cache-control']]).toEqual([200, 'no-cache']);
    expect(response.body).toContain('<title>app</title>');
  });

  test.each(['/v1', '/v1/nothing', '/v1?x', '/ws', '/sse', '/sse/x/frames', '/api/v1/ws'])('%s is none', async (url) => {
    const { app } = await startApi({ webRoot });
    const response = await app.inject({ url, headers: HTML });
    expect([response.statusCode, response.json().code]).toEqual([404, 'not_found']);
  });

  test.each([
    ['GET', { accept: '*/*' }],
    ['GET', {}],
    ['POST', HTML],
  ] as const)('%s %o gets no page for an unknown address', async (method, headers) => {
    const { app } = await startApi({ webRoot });
    expect((await app.inject({ method, url: '/c/1', headers })).json()).toMatchObject({ status: 404, code: 'not_found' });
  });

  test.each([
    '/../outside.txt',
    '/%2e%2e/outside.txt',
    '/..%2foutside.txt',
    '/assets/..%5c..%5coutside.txt',
    '/.env',
    '/assets',
    '/assets/',
  ])('%s gives nothing away', async (url) => {
    const { app } = await startApi({ webRoot });
    const response = await app.inject({ url });
    expect(response.statusCode).toBeGreaterThanOrEqual(400);
    expect(response.headers['content-type']).toMatch(/^application\/problem\+json/);
    expect(response.body).not.toMatch(/outside\n|hidden/);
  });
});

test('without a built app, a plain note', async () => {
  const { app } = await startApi();
  const response = await app.inject({ url: '/', headers: HTML });
  expect([response.statusCode, response.headers['content-type']]).toEqual([200, 'text/plain; charset=utf-8']);
  expect((await app.inject({ url: '/c/1', headers: HTML })).statusCode).toBe(404);
});

describe('headers', () => {
  test.each(['/', '/c/1', '/assets/app-1a2b.js', '/livez', '/v1/me', '/v1/nothing', '/%zz'])('of %s', async (url) => {
    const { app } = await startApi({ webRoot });
    const { headers } = await app.inject({ url, headers: HTML });
    expect(headers).toMatchObject({
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
      'cross-origin-opener-policy': 'same-origin',
    });
    expect(headers['content-security-policy']).toBe(
      "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data: blob:; font-src 'self'; " +
        "manifest-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    );
  });

  test('data is not kept by caches, wrong or right', async () => {
    const { app, call, signUp } = await startApi({ webRoot });
    const token = await signUp('ann');
    expect((await call('GET', '/v1/me', { token })).headers['cache-control']).toBe('no-store');
    for (const url of ['/v1/me', '/%76%31/me', '/v1/nothing'])
      expect((await app.inject({ url })).headers['cache-control']).toBe('no-store');
  });
});
