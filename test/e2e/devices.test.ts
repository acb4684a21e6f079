import { type LaunchedServer, launchServer } from '@gapless/testkit';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { launchBrowser, NO_BROWSER, Person } from './browser.ts';

// Goal: a user ends a sign-in on one device from another, and that one shows it at once. Method: the real server, the built page, Chromium.

if (NO_BROWSER === undefined) describe('in Chromium', devicesInChromium);
else test('everything in Chromium', (context) => context.skip(NO_BROWSER));

const IPHONE =
  'Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile Safari/604.1';

function devicesInChromium(): void {
  let browser: Browser;
  let server: LaunchedServer;

  beforeAll(async () => {
    browser = await launchBrowser();
    server = await launchServer();
  });

  afterAll(async () => {
    await browser?.close();
    await server?.stop();
  });

  /** Signs the person in once more, in a browser of its own. */
  async function alsoAt(person: Person, userAgent: string): Promise<Page> {
    const context = await browser.newContext({ locale: 'en-GB', userAgent });
    const page = await context.newPage();
    await page.goto(server.url);
    await page.getByTestId('username').fill(person.name);
    await page.getByTestId('password').fill(`password of ${person.name}`);
    await page.getByTestId('submit').click();
    await page.getByTestId('new-dm').waitFor();
    return page;
  }

  const device = (page: Page, name: string) => page.getByTestId('device').filter({ hasText: name });

  /** A press, and a press on the question. */
  async function confirmed(page: Page, name: string): Promise<void> {
    const button = device(page, name).getByTestId('sign-out-device');
    await button.click();
    expect(await button.getAttribute('aria-label')).toBe(`Really sign out? Sign out ${name}`);
    await button.click();
  }

  test('one of two devices signs the other out, which lands on the sign-in page at once', async () => {
    const ada = await Person.signUp(browser, server.url, 'ada');
    const phone = await alsoAt(ada, IPHONE);
    await ada.page.getByTestId('devices').click();
    await device(ada.page, 'Chrome on Linux').getByText('This device').waitFor();
    await device(ada.page, 'Safari on iPhone').getByText('Signed in just now').waitFor();
    expect(await ada.page.getByTestId('device').count()).toBe(2);
    await confirmed(ada.page, 'Safari on iPhone');
    await phone.getByTestId('submit').waitFor({ timeout: 3_000 });
    await phone.getByText('Your session has ended').waitFor();
    await device(ada.page, 'Safari on iPhone').waitFor({ state: 'detached' });
    await ada.page.getByTestId('sign-out-others').waitFor({ state: 'detached' });
    expect(await ada.page.evaluate(() => document.activeElement?.className)).toBe('devices');
    await phone.reload();
    await phone.getByTestId('submit').waitFor();
    expect(await ada.page.getByTestId('banner').count()).toBe(0);
    expect(ada.complaints).toEqual([]);
  });

  test('a list that could not be loaded can be asked for again', async () => {
    const cy = await Person.signUp(browser, server.url, 'cy');
    await cy.page.route('**/v1/me/sessions', (route) => route.abort());
    await cy.page.getByTestId('devices').click();
    const retry = cy.page.getByTestId('devices-retry');
    await retry.waitFor();
    await cy.page.unroute('**/v1/me/sessions');
    await retry.click();
    await device(cy.page, 'Chrome on Linux').waitFor();
    await retry.waitFor({ state: 'detached' });
    expect(cy.complaints).toEqual([]);
  });

  test('all others are signed out at once; then this device, from its own list', async () => {
    const bo = await Person.signUp(browser, server.url, 'bo', { viewport: { width: 360, height: 740 } });
    const others = [await alsoAt(bo, IPHONE), await alsoAt(bo, 'Some-Client/1.0')];
    await bo.page.getByTestId('devices').click();
    await device(bo.page, 'Some-Client/1.0').waitFor();
    const button = bo.page.getByTestId('sign-out-others');
    await button.click();
    await button.click();
    for (const page of others) await page.getByTestId('submit').waitFor({ timeout: 3_000 });
    await button.waitFor({ state: 'detached' });
    expect(await bo.page.getByTestId('device').count()).toBe(1);
    await confirmed(bo.page, 'Chrome on Linux');
    await bo.page.getByTestId('submit').waitFor();
    expect(await bo.page.getByText('Your session has ended').count()).toBe(0);
    expect(bo.complaints).toEqual([]);
  });

  test.each([
    ['light', 'en-GB', 1_280],
    ['dark', 'en-GB', 360],
    ['light', 'zh-CN', 360],
    ['dark', 'zh-CN', 1_280],
  ] as const)('the list in %s, %s, %i px wide', async (colorScheme, locale, width) => {
    const name = `eva${locale}${width}`;
    const eva = await Person.signUp(browser, server.url, name, { colorScheme, locale, viewport: { width, height: 740 } });
    await alsoAt(eva, IPHONE);
    await alsoAt(eva, `A client that says ${'very '.repeat(20)}much of itself`);
    await eva.page.getByTestId('devices').click();
    await eva.page.getByTestId('sign-out-others').waitFor();
    await eva.page.getByTestId('sign-out-device').nth(1).click();
    for (const selector of ['html', 'dialog', '.devices']) {
      const hidden = await eva.page.locator(selector).evaluate(({ scrollWidth, clientWidth }) => scrollWidth - clientWidth);
      expect(hidden, selector).toBe(0);
    }
    await eva.screenshot(`devices-${colorScheme}-${locale.slice(0, 2)}-${width}`);
    expect(eva.complaints).toEqual([]);
  });
}
