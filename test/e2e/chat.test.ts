import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type CutProxy, type LaunchedServer, launchServer, startProxy } from '@gapless/testkit';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { launchBrowser, NO_BROWSER, Person } from './browser.ts';

// Goal: two people in two browsers chat, through cuts and a kill -9, and end with the same list. Method: the real server, the built page, Chromium.

if (NO_BROWSER === undefined) describe('in Chromium', chatInChromium);
else test('everything in Chromium', (context) => context.skip(NO_BROWSER));

function chatInChromium(): void {
  let browser: Browser;
  let server: LaunchedServer;
  let proxy: CutProxy;
  const dataDir = mkdtempSync(join(tmpdir(), 'gapless-e2e-'));

  beforeAll(async () => {
    browser = await launchBrowser();
    server = await launchServer({ dataDir, env: { GAPLESS_RATE_LIMITS: 'on' } });
    proxy = await startProxy(() => server.port);
  });

  afterAll(async () => {
    await browser?.close();
    await proxy?.close();
    await server?.stop();
    rmSync(dataDir, { recursive: true, force: true });
  });

  test('two people chat; one is cut off, both write, it returns; the server is killed and comes back', async () => {
    const ada = await Person.signUp(browser, server.url, 'ada');
    const bo = await Person.signUp(browser, `http://127.0.0.1:${proxy.port}`, 'bo', { colorScheme: 'dark' });
    await ada.startDm('bo');
    await ada.write('Good morning, Bo!');
    await bo.page.locator('[data-testid=conversation-item][data-unread="1"]').waitFor();
    await bo.openFirst();
    await ada.message('Good morning, Bo!', 'read').waitFor();
    await bo.write('早上好，艾达 👋');
    await ada.message('早上好，艾达 👋').waitFor();
    await bo.page.getByTestId('composer').pressSequentially('one more');
    await ada.page.getByTestId('typing').waitFor();
    await bo.page.getByTestId('composer').fill('');

    proxy.cut();
    await bo.page.getByTestId('banner').waitFor();
    await bo.write('written while cut off, first');
    await bo.write('written while cut off, second');
    await bo.message('written while cut off, second', 'sending').waitFor();
    for (const text of ['are you there?', 'hello?']) await ada.write(text);
    await ada.message('hello?', 'sent').waitFor();
    await bo.screenshot('cut-off-dark');
    proxy.restore();
    await ada.message('written while cut off, second').waitFor();
    await bo.message('hello?').waitFor();
    await bo.message('written while cut off, second', 'read').waitFor();
    expect(await bo.shown()).toEqual(await ada.shown());
    expect((await ada.shown()).map(({ text }) => text)).toEqual([
      'Good morning, Bo!',
      '早上好，艾达 👋',
      'are you there?',
      'hello?',
      'written while cut off, first',
      'written while cut off, second',
    ]);

    const { port } = server;
    await server.kill();
    await ada.page.getByTestId('banner').waitFor();
    await ada.write('sent into the void');
    server = await launchServer({ dataDir, port });
    await bo.message('sent into the void').waitFor();
    await ada.message('sent into the void', 'read').waitFor();
    const shown = await ada.shown();
    expect(await bo.shown()).toEqual(shown);
    expect(shown.map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5, 6, 7]);

    await ada.page.reload();
    await ada.message('sent into the void').waitFor();
    expect(await ada.shown()).toEqual(shown);
    await ada.screenshot('chat-light');
    await bo.screenshot('chat-dark');
    expect([...ada.complaints, ...bo.complaints]).toEqual([]);
  });

  test('a long history loads upward, and the list keeps its place', async () => {
    const cy = await Person.signUp(browser, server.url, 'cy');
    const dee = await Person.signUp(browser, server.url, 'dee', { viewport: { width: 390, height: 844 } });
    await cy.startDm('dee');
    for (let i = 1; i <= 120; i++) await cy.write(`line ${i}`);
    await cy.message('line 120', 'sent').waitFor();
    await dee.openFirst();
    await dee.message('line 120').waitFor();
    const oldest = async () => Math.min(...(await dee.shown()).map(({ seq }) => seq));
    const timeline = dee.page.getByTestId('timeline');
    const box = (await timeline.boundingBox())!;
    await dee.page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
    while ((await oldest()) > 1) {
      await dee.page.mouse.wheel(0, -600);
      await dee.page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
    }
    const seqs = (await dee.shown()).map(({ seq }) => seq);
    expect(seqs).toEqual(seqs.map((_, i) => seqs[0]! + i));
    await dee.screenshot('history-narrow');
    expect([...cy.complaints, ...dee.complaints]).toEqual([]);
  });

  test('a tab follows when another tab of the browser signs out or in as someone else', async () => {
    const fay = await Person.signUp(browser, server.url, 'fay');
    const other = await fay.page.context().newPage();
    await other.goto(server.url);
    await other.getByTestId('sign-out').click();
    await fay.page.getByTestId('username').waitFor();
    await other.getByTestId('mode-switch').click();
    await other.getByTestId('username').fill('gus');
    await other.getByTestId('password').fill('password of gus');
    await other.getByTestId('submit').click();
    await other.getByTestId('new-dm').waitFor();
    await fay.page.getByTestId('me').getByText('gus').waitFor();
    expect(fay.complaints).toEqual([]);
  });

  test('in Chinese, narrow: sign up, group, sign out', async () => {
    const eva = await Person.signUp(browser, server.url, 'eva', { locale: 'zh-CN', viewport: { width: 390, height: 844 } });
    expect(await eva.page.locator('html').getAttribute('lang')).toMatch(/^zh/);
    await eva.page.getByTestId('new-group').click();
    await eva.screenshot('group-dialog-zh-narrow');
    await eva.page.keyboard.press('Escape');
    await eva.page.getByTestId('new-dm').click();
    await eva.page.getByTestId('dialog-user').fill('nobody-of-this-name');
    await eva.page.getByTestId('dialog-submit').click();
    await eva.page.getByTestId('form-error').waitFor();
    await eva.screenshot('unknown-user-zh-narrow');
    await eva.page.keyboard.press('Escape');
    await eva.page.getByTestId('sign-out').click();
    await eva.page.getByTestId('username').waitFor();
    expect(eva.complaints).toEqual([]);
  });
}
