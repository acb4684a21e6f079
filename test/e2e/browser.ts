import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';

/** Debian's, or whatever the environment names. */
const CHROMIUM = [process.env.CHROMIUM_PATH, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(
  (path) => path !== undefined && existsSync(path),
);

export const NO_BROWSER =
  CHROMIUM === undefined ? 'there is no Chromium on this machine (CHROMIUM_PATH, or Debian’s package chromium)' : undefined;

export const SCREENSHOTS = join(import.meta.dirname, '../screenshots');

export function launchBrowser(): Promise<Browser> {
  mkdirSync(SCREENSHOTS, { recursive: true });
  return chromium.launch({
    executablePath: CHROMIUM!,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
}

/** A person at a browser of their own; what the page complains of, or asks of other origins, is kept. */
export class Person {
  readonly name: string;
  readonly page: Page;
  readonly complaints: string[] = [];

  private constructor(name: string, page: Page, origin: string) {
    this.name = name;
    this.page = page;
    page.on('console', (message) => {
      // A cut connection is reported by the browser itself; everything else is the page's fault.
      if (message.type() === 'error' && !/ERR_|WebSocket connection|Failed to load resource/.test(message.text()))
        this.complaints.push(message.text());
    });
    page.on('pageerror', (error) => this.complaints.push(String(error)));
    page.on('request', (request) => {
      const url = new URL(request.url());
      if (/^(http|ws)s?:$/.test(url.protocol) && url.host !== new URL(origin).host) this.complaints.push(`asks ${request.url()}`);
    });
  }

  static async signUp(browser: Browser, origin: string, name: string, options: BrowserContextOptions = {}): Promise<Person> {
    const context = await browser.newContext({ locale: 'en-GB', viewport: { width: 1_200, height: 800 }, ...options });
    const person = new Person(name, await context.newPage(), origin);
    await person.page.goto(origin);
    await person.page.getByTestId('mode-switch').click();
    await person.page.getByTestId('username').fill(name);
    await person.page.getByTestId('password').fill(`password of ${name}`);
    await person.page.getByTestId('submit').click();
    await person.page.getByTestId('new-dm').waitFor();
    return person;
  }

  async startDm(user: string): Promise<void> {
    await this.page.getByTestId('new-dm').click();
    await this.page.getByTestId('dialog-user').fill(user);
    await this.page.getByTestId('dialog-submit').click();
    await this.page.getByTestId('composer').waitFor();
  }

  async openFirst(): Promise<void> {
    await this.page.getByTestId('conversation-item').first().click();
    await this.page.getByTestId('composer').waitFor();
  }

  async write(text: string): Promise<void> {
    await this.page.getByTestId('composer').fill(text);
    await this.page.getByTestId('composer').press('Enter');
  }

  /** The message with this text, in this state. */
  message(text: string, status?: string) {
    const selector = status === undefined ? '[data-testid=message]' : `[data-testid=message][data-status=${status}]`;
    return this.page.locator(selector).filter({ has: this.page.getByTestId('message-text').getByText(text, { exact: true }) });
  }

  /** What the page shows, from top to bottom. */
  shown(): Promise<{ seq: number; text: string }[]> {
    return this.page.getByTestId('message').evaluateAll((nodes) =>
      nodes.map((node) => ({
        seq: Number(node.getAttribute('data-seq')),
        text: node.querySelector('[data-testid=message-text]')?.textContent ?? '',
      })),
    );
  }

  screenshot(name: string): Promise<unknown> {
    return this.page.screenshot({ path: join(SCREENSHOTS, `${name}.png`) });
  }
}
