import { type CutProxy, type LaunchedServer, launchServer, startProxy } from '@gapless/testkit';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { launchBrowser, NO_BROWSER, Person } from './browser.ts';

// Goal: where no WebSocket gets through, two people chat all the same, and nobody notices when one does again.
// Method: the real server, the built page, Chromium, and a proxy that drops each connection that asks for an upgrade.

if (NO_BROWSER === undefined) describe('in Chromium, without WebSocket', chatOverSse);
else test('everything in Chromium, without WebSocket', (context) => context.skip(NO_BROWSER));

function chatOverSse(): void {
  let browser: Browser;
  let server: LaunchedServer;
  let proxy: CutProxy;

  beforeAll(async () => {
    browser = await launchBrowser();
    server = await launchServer({ env: { GAPLESS_RATE_LIMITS: 'on' } });
    proxy = await startProxy(() => server.port);
    proxy.blockWebSocket(true);
  });

  afterAll(async () => {
    await browser?.close();
    await proxy?.close();
    await server?.stop();
  });

  test('send, receive, cut and resume over SSE; then WebSocket again, with nothing lost or twice', async () => {
    const origin = `http://127.0.0.1:${proxy.port}`;
    // Tall enough to show the whole conversation: rows out of sight are not there.
    const viewport = { width: 1_200, height: 1_400 };
    const ada = await Person.signUp(browser, origin, 'ada', { viewport });
    const bo = await Person.signUp(browser, origin, 'bo', { viewport, colorScheme: 'dark', locale: 'zh-CN' });
    const people = [ada, bo];
    const sockets: string[] = [];
    for (const { page, name } of people) page.on('websocket', () => sockets.push(name));
    const note = ({ page }: Person) => page.getByTestId('transport-note');
    for (const person of people) await note(person).waitFor();
    expect(await note(ada).locator('summary').textContent()).toBe('Compatibility connection');
    await note(ada).click();
    await ada.page.getByText('Messages go over ordinary web requests').waitFor();

    await ada.startDm('bo');
    await ada.write('Good morning, Bo!');
    await bo.page.locator('[data-testid=conversation-item][data-unread="1"]').waitFor();
    await bo.openFirst();
    await ada.message('Good morning, Bo!', 'read').waitFor();
    await bo.page.getByTestId('composer').pressSequentially('one more');
    await ada.page.getByTestId('typing').waitFor();
    await bo.page.getByTestId('composer').fill('');
    const said = ['Good morning, Bo!'];
    for (let n = 1; n <= 6; n++) {
      const person = people[n % 2]!;
      const text = `${person.name} ${n}`;
      await person.write(text);
      for (const each of people) await each.message(text).waitFor();
      said.push(text);
    }
    await ada.screenshot('sse-light');
    await bo.screenshot('sse-dark-zh');

    proxy.cut();
    for (const { page } of people) await page.getByTestId('banner').waitFor();
    const late = people.flatMap(({ name }) => [1, 2, 3].map((n) => `${name} while cut off ${n}`));
    for (const person of people) for (const text of late) if (text.startsWith(person.name)) await person.write(text);
    await bo.message(late.at(-1)!, 'sending').waitFor();
    await bo.screenshot('sse-cut-off-dark-zh');
    proxy.restore();
    for (const person of people) for (const text of late) await person.message(text).waitFor();
    for (const person of people) await note(person).waitFor();

    proxy.blockWebSocket(false);
    // A changed network is a reason to look for a WebSocket at once; by itself it would be later.
    for (const person of people) await person.page.evaluate(() => void dispatchEvent(new Event('online')));
    const duringUpgrade = [1, 2, 3, 4, 5].map((n) => `meanwhile ${n}`);
    for (const text of duringUpgrade) await ada.write(text);
    for (const person of people) await note(person).waitFor({ state: 'detached' });
    await bo.write('over WebSocket');
    for (const person of people) await person.message('over WebSocket').waitFor();
    for (const text of duringUpgrade) await bo.message(text).waitFor();
    expect(new Set(sockets)).toEqual(new Set(['ada', 'bo']));

    proxy.blockWebSocket(true);
    for (const person of people) await note(person).waitFor();
    await bo.write('and over SSE again');
    await ada.message('and over SSE again').waitFor();
    await bo.message('and over SSE again', 'read').waitFor();

    const shown = await ada.shown();
    expect(await bo.shown()).toEqual(shown);
    expect(shown.map(({ seq }) => seq)).toEqual(shown.map((_, i) => i + 1));
    const texts = shown.map(({ text }) => text);
    expect(texts.toSorted()).toEqual([...said, ...late, ...duringUpgrade, 'over WebSocket', 'and over SSE again'].toSorted());
    // In the order in which each of them wrote.
    for (const wrote of [said, late.slice(0, 3), late.slice(3), duringUpgrade])
      expect(texts.filter((text) => wrote.includes(text))).toEqual(wrote);
    await ada.screenshot('sse-again-light');
    expect(people.flatMap(({ complaints }) => complaints)).toEqual([]);
  });
}
