import { openMemoryStore } from '@gapless/adapters/store/memory';
import { settled } from '@gapless/testkit';
import { expect, test } from 'vitest';
import { Directory } from './directory.ts';
import type { Command, Outcome } from './ports/store.ts';
import { writeGuarded } from './rights.ts';

// Goal: commands of one caller to one conversation keep their order, also where one of them has to look into the store. Method: a store that
// answers when it is told to, and a writer that refuses once.

async function start() {
  const store = openMemoryStore();
  await store.commit([
    { op: 'create', cid: 'c', kind: 'group', by: 'ann', at: 1, participants: [{ uid: 'ann', role: 'owner' }], createUsers: true },
  ]);
  const reads: (() => void)[] = [];
  const slow = {
    ...store,
    conversation: (cid: string) => new Promise<void>((resolve) => reads.push(resolve)).then(() => store.conversation(cid)),
  };
  const directory = new Directory(slow, { shared: true });
  const appended: string[] = [];
  const refused = new Set<string>();
  const writer = {
    append: async (command: Command): Promise<Outcome> => {
      const { title } = command as { title: string };
      appended.push(title);
      return refused.delete(title) ? { ok: false, code: 'stale' } : { ok: true, op: 'settings' };
    },
  };
  const write = (title: string) =>
    writeGuarded({ directory, writer }, { cid: 'c', uid: 'ann' }, () => ({ op: 'settings', cid: 'c', by: 'ann', at: 1, title }));
  const answer = async () => {
    for (const read of reads.splice(0)) read();
    await settled();
  };
  return { write, answer, appended, refused };
}

test('one that is refused as stale goes before those that come while it looks again', async () => {
  const { write, answer, appended, refused } = await start();
  refused.add('a');
  const a = write('a');
  await answer();
  const [b, c] = [write('b'), write('c')];
  await settled();
  expect(appended).toEqual(['a']);
  await answer();
  await Promise.all([a, b, c]);
  expect(appended).toEqual(['a', 'a', 'b', 'c']);
});

test('two that are refused together keep their order', async () => {
  const { write, answer, appended, refused } = await start();
  const first = write('first');
  await answer();
  await first;
  for (const title of ['a', 'b']) refused.add(title);
  const both = [write('a'), write('b')];
  await settled();
  await answer();
  await answer();
  await Promise.all(both);
  expect(appended).toEqual(['first', 'a', 'b', 'a', 'b']);
});

test('those of others do not wait', async () => {
  const { write, answer, appended, refused } = await start();
  refused.add('a');
  const a = write('a');
  await answer();
  expect(appended).toEqual(['a']);
  await answer();
  await a;
  await write('later');
  expect(appended).toEqual(['a', 'a', 'later']);
});
