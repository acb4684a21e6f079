import { statSync } from 'node:fs';
import { expect, test } from 'vitest';
import { Committer } from './committer-process.test-util.ts';
import { openSqliteStore } from './index.ts';
import { neverFatal, tempDatabases } from './temp.test-util.ts';

const newPath = tempDatabases();
const open = (path: string) => openSqliteStore({ path, onFatal: neverFatal });
const refusal = (path: string) => `another server is running on ${path}; the embedded store serves one process`;

test('a second open in the same process is refused, and the first one goes on', async () => {
  const path = newPath();
  const store = await open(path);
  await expect(open(path)).rejects.toThrow(refusal(path));
  await expect(store.check()).resolves.toBeUndefined();
  const other = new Committer([path]);
  await other.exited;
  expect(other.lines).toEqual([refusal(path)]);
  await store.close();
  await (await open(path)).close();
});

test('a second process is refused with one line, in both directions', async () => {
  const path = newPath();
  const store = await open(path);
  const second = new Committer([path]);
  expect(await second.exited).toBe(1);
  expect(second.lines).toEqual([refusal(path)]);
  await store.close();

  const first = new Committer([path]);
  await first.wait(2);
  await expect(open(path)).rejects.toThrow(refusal(path));
  await first.kill();
  await (await open(path)).close();
});

test('nobody else on the machine can read the files', async () => {
  const path = newPath();
  const store = await open(path);
  for (const suffix of ['', '-wal', '-shm', '.lock']) expect((statSync(path + suffix).mode & 0o777).toString(8)).toBe('600');
  await store.close();
});

test('after a clean end everything is in the one file', async () => {
  const path = newPath();
  await (await open(path)).close();
  expect(statSync(`${path}-wal`, { throwIfNoEntry: false })).toBeUndefined();
});
