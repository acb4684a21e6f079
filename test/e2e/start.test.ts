import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';

// Goal: `npm start` is the server, whatever is done to it. Method: the command of the README, its process told to end or killed.

const root = join(import.meta.dirname, '../..');
const dataDir = mkdtempSync(join(tmpdir(), 'gapless-start-'));
const children: ChildProcess[] = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
});

/** `npm start` on the same data; resolves when the banner is complete. */
async function npmStart(): Promise<{ child: ChildProcess; url: string; ended: Promise<number | null> }> {
  const child = spawn('npm', ['start', '--', '--port', '0', '--data-dir', dataDir, '--drain-spread-ms', '0'], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.push(child);
  const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
  let text = '';
  const url = await new Promise<string>((resolve, reject) => {
    child.stdout!.on('data', (chunk: Buffer) => {
      text += chunk;
      const match = /Chat\s+(http:\S+)/.exec(text);
      if (match !== null && text.includes('Ready in')) resolve(match[1]!);
    });
    void ended.then((code) => reject(new Error(`npm start ended with ${code}: ${text}`)));
  });
  return { child, url, ended };
}

async function isUp(url: string): Promise<boolean> {
  return fetch(`${url}/livez`).then(
    ({ ok }) => ok,
    () => false,
  );
}

test('a terminated npm start drains and ends well; a killed one leaves no server behind', async () => {
  const first = await npmStart();
  expect(await isUp(first.url)).toBe(true);
  first.child.kill('SIGTERM');
  expect(await first.ended).toBe(0);
  expect(await isUp(first.url)).toBe(false);

  const second = await npmStart();
  second.child.kill('SIGKILL');
  await second.ended;
  while (await isUp(second.url)) await new Promise((resolve) => setImmediate(resolve));
  // The data folder is free again.
  const third = await npmStart();
  third.child.kill('SIGTERM');
  expect(await third.ended).toBe(0);
  rmSync(dataDir, { recursive: true, force: true });
});
