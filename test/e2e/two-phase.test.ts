import { setTimeout as sleep } from 'node:timers/promises';
import { type LaunchedServer, launchServer, type NotHere, type RunningPostgres, startPostgres, startRedis } from '@gapless/testkit';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { launchBrowser, NO_BROWSER, Person } from './browser.ts';

// Goal: people see which of their messages is only accepted, and where one was lost. Method: the real server with two-phase acks, the built
// page, Chromium, and a database that stands still for a while.

const postgres: RunningPostgres | NotHere = NO_BROWSER === undefined ? await startPostgres() : { reason: NO_BROWSER };
const redis = 'reason' in postgres ? postgres : await startRedis({ settings: { appendonly: 'yes' } });

if ('reason' in postgres || 'reason' in redis) {
  const reason = 'reason' in redis ? redis.reason : undefined;
  if (!('reason' in postgres)) await postgres.remove();
  test('two-phase acks in Chromium', (context) => context.skip(reason));
} else describe('two-phase acks in Chromium', () => suite(postgres, redis.url, () => redis.remove()));

function suite(database: RunningPostgres, redisUrl: string, removeRedis: () => Promise<void>): void {
  let browser: Browser;
  let server: LaunchedServer;

  beforeAll(async () => {
    browser = await launchBrowser();
    const env = { GAPLESS_TWO_PHASE_ENABLED: 'true', GAPLESS_TWO_PHASE_DELIVER_BEFORE_SAVED: 'true' };
    server = await launchServer({ env: { ...env, GAPLESS_STORE: await database.createDatabase(), GAPLESS_BROKER: redisUrl } });
    while (!(await accepts(server.url))) await sleep(20);
  });

  afterAll(async () => {
    database.resume();
    await browser?.close();
    await server?.stop();
    await removeRedis();
    await database.remove();
  });

  test('accepted while the database stands still, saved when it goes on; a lost number is one line', async () => {
    const ada = await Person.signUp(browser, server.url, 'ada');
    const bo = await Person.signUp(browser, server.url, 'bo', { colorScheme: 'dark', locale: 'zh-CN' });
    await ada.startDm('bo');
    // From here on the accept log gives the numbers of this conversation.
    await ada.write('before');
    await ada.message('before', 'sent').waitFor();
    await bo.openFirst();
    await ada.message('before', 'read').waitFor();

    database.pause();
    await ada.write('while it stands still');
    await ada.message('while it stands still', 'accepted').waitFor();
    await bo.message('while it stands still').waitFor();
    await bo.write('我也是');
    await bo.message('我也是', 'accepted').waitFor();
    await ada.message('我也是').waitFor();
    const ticks = ada.message('while it stands still', 'accepted').locator('.ticks');
    expect(await ticks.getAttribute('title')).toBe('Accepted, being saved');
    expect(await bo.message('我也是', 'accepted').locator('.ticks').getAttribute('title')).toBe('已接收，正在保存');
    await ada.screenshot('two-phase-accepted');
    await bo.screenshot('two-phase-accepted-dark-zh');
    database.resume();
    await ada.message('while it stands still', 'read').waitFor();
    await bo.message('我也是', 'read').waitFor();

    await sayLost(server, 3);
    await ada.page.getByText('3 messages were lost before they were saved').waitFor();
    await bo.page.getByText('有 3 条消息在保存前丢失').waitFor();
    await ada.write('after');
    await bo.message('after').waitFor();
    await ada.screenshot('two-phase-lost');
    await bo.screenshot('two-phase-lost-dark-zh');
    expect([ada.complaints, bo.complaints]).toEqual([[], []]);
  });
}

async function accepts(url: string): Promise<boolean> {
  const text = await (await fetch(`${url}/metrics`)).text();
  return Number(/^gapless_accept_epoch (\d+)/m.exec(text)?.[1] ?? 0) > 0;
}

/** As the server itself says it, which only the app's backend may: losing one for real takes a Redis and a node. */
async function sayLost(server: LaunchedServer, count: number): Promise<void> {
  const call = async (method: string, path: string, token: string, body?: object) => {
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
    const answer = await fetch(`${server.url}${path}`, { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) });
    expect([path, answer.ok, answer.ok ? '' : await answer.clone().text()]).toEqual([path, true, '']);
    return answer.json() as Promise<{ items: { cid: string }[] }>;
  };
  const { items } = await call('GET', '/v1/conversations', await server.token('ada'));
  const admin = await server.token('ada', { role: 'admin' });
  for (let n = 1; n <= count; n++)
    await call('POST', `/v1/conversations/${items[0]!.cid}/messages`, admin, { mid: `lost-by-hand-${n}`, kind: 'lost', body: {} });
}
