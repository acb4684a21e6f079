import { openMemoryStore } from '@gapless/adapters/store/memory';
import { FakeClock } from '@gapless/testkit';
import { describe, expect, test } from 'vitest';
import type { Actor } from './chat.ts';
import { createChat } from './create-chat.ts';
import { Directory } from './directory.ts';
import { committedEntry } from './events.ts';
import { OwnReads } from './own-reads.ts';
import { Writer } from './writer.ts';

// Goal: the use cases and their rights. Method: the real core over the memory store.

function startChat() {
  const clock = new FakeClock();
  const ownReads = new OwnReads({ store: openMemoryStore(), clock, append: (command) => writer.append(command), onError() {} });
  const { store } = ownReads;
  const directory = new Directory(store);
  const writer: Writer = new Writer({ store, clock, onCommitted: (committed) => directory.apply(committed) });
  return { clock, store, directory, chat: createChat({ store, directory, writer, clock }) };
}

const user = (uid: string): Actor => ({ uid, role: 'user' });
const admin: Actor = { uid: 'backend', role: 'admin' };
const text = (cid: string, mid: string, value = mid) => ({ cid, mid, kind: 'text', body: { text: value } });

async function withUsers(...uids: string[]) {
  const started = startChat();
  for (const uid of uids) await started.store.ensureUser({ uid, at: 0 });
  return started;
}

describe('conversations', () => {
  test('the creator takes part and owns; the same dm is the same from both sides', async () => {
    const { chat } = await withUsers('ada', 'bo');
    const group = await chat.createConversation(user('ada'), { kind: 'group', participants: ['bo'], title: 'Plans' });
    expect(group.conversation.participants.map(({ uid, role }) => [uid, role])).toEqual([
      ['ada', 'owner'],
      ['bo', 'member'],
    ]);
    const [one, two] = [
      await chat.createConversation(user('ada'), { kind: 'dm', participants: ['bo'] }),
      await chat.createConversation(user('bo'), { kind: 'dm', participants: ['ada'] }),
    ];
    expect([one.created, two.created]).toEqual([true, false]);
    expect(two.conversation.cid).toBe(one.conversation.cid);
    expect(two.conversation.peer).toEqual({ uid: 'ada', displayName: 'ada' });
  });

  test('named participants must exist, but for the backend, which creates them and takes no part', async () => {
    const { chat } = await withUsers('ada');
    await expect(chat.createConversation(user('ada'), { kind: 'group', participants: ['nobody'] })).rejects.toMatchObject({
      code: 'unknown_user',
    });
    const { conversation } = await chat.createConversation(admin, { kind: 'group', participants: ['new1', 'new2'] });
    expect(conversation.participants.map(({ uid, role }) => [uid, role])).toEqual([
      ['new1', 'owner'],
      ['new2', 'member'],
    ]);
  });

  test.each([[['ada']], [[]], [['bo', 'cy']]])('a dm with %j is refused', async (participants) => {
    const { chat } = await withUsers('ada', 'bo', 'cy');
    await expect(chat.createConversation(user('ada'), { kind: 'dm', participants })).rejects.toMatchObject({ code: 'bad_frame' });
  });

  test('who may add, remove, rename', async () => {
    const { chat } = await withUsers('own', 'adm', 'mem', 'new', 'out');
    const { conversation } = await chat.createConversation(user('own'), { kind: 'group', participants: ['mem'] });
    const { cid } = conversation;
    await chat.addParticipants(user('own'), cid, { users: ['adm'], role: 'admin' });
    const outcomes = async (actor: Actor) => {
      const code = (task: Promise<unknown>) =>
        task.then(
          () => 'ok',
          (error) => error.code,
        );
      return [
        await code(chat.addParticipants(actor, cid, { users: ['new'] })),
        await code(chat.addParticipants(actor, cid, { users: ['new'], role: 'admin' })),
        await code(chat.removeParticipant(actor, cid, 'own')),
        await code(chat.updateConversation(actor, cid, { title: `by ${actor.uid}` })),
      ];
    };
    expect(await outcomes(user('out'))).toEqual(Array(4).fill('not_participant'));
    expect(await outcomes(user('mem'))).toEqual(Array(4).fill('forbidden'));
    expect(await outcomes(user('adm'))).toEqual(['ok', 'forbidden', 'forbidden', 'ok']);
    await chat.removeParticipant(user('mem'), cid, 'mem');
    await expect(chat.conversation(user('mem'), cid)).rejects.toMatchObject({ code: 'not_participant' });
    expect(await outcomes(admin)).toEqual(['ok', 'ok', 'ok', 'ok']);
  });

  test('paging goes through all, newest activity first, each once', async () => {
    const { chat, clock } = await withUsers('ada');
    const cids: string[] = [];
    for (let i = 0; i < 25; i++) {
      if (i % 3 === 0) await clock.advance(10);
      cids.push((await chat.createConversation(user('ada'), { kind: 'group', participants: [] })).conversation.cid);
    }
    const seen: string[] = [];
    for (let cursor: string | undefined, first = true; first || cursor !== undefined; first = false) {
      const page = await chat.conversations(user('ada'), { limit: 10, cursor });
      seen.push(...page.items.map(({ cid }) => cid));
      cursor = page.next;
    }
    expect(seen.toSorted()).toEqual(cids.toSorted());
    await expect(chat.conversations(user('ada'), { cursor: 'forged' })).rejects.toMatchObject({ code: 'bad_frame' });
  });
});

test('the participants that are shown are never older than the rev beside them', async () => {
  const { chat, store } = await withUsers('ada', 'bo');
  const { conversation } = await chat.createConversation(user('ada'), { kind: 'group', participants: ['bo'] });
  const { cid } = conversation;
  const view = store.conversationView;
  // The removal lies between the two reads, whichever comes first.
  store.conversationView = async (uid, of) => {
    await new Promise((resolve) => setImmediate(resolve));
    await store.commit([{ op: 'remove', cid, by: 'ada', at: 1, uid: 'bo' }]);
    return view(uid, of);
  };
  const shown = await chat.conversation(user('ada'), cid);
  expect(shown.rev).toBe(1);
  expect(shown.participants.map(({ uid }) => uid)).toEqual(['ada']);
});

describe('send', () => {
  test('a resend gets the first outcome, whatever the order of its keys; another payload or sender conflicts', async () => {
    const { chat } = await withUsers('ada', 'bo');
    const { conversation } = await chat.createConversation(user('ada'), { kind: 'dm', participants: ['bo'] });
    const { cid } = conversation;
    const first = await chat.send(user('ada'), { cid, mid: 'm', kind: 'text', body: { text: 'hi', n: { a: 1, b: 2 } } });
    const again = await chat.send(user('ada'), { cid, mid: 'm', kind: 'text', body: { n: { b: 2, a: 1 }, text: 'hi' } });
    expect(again).toEqual({ ...first, dup: true });
    for (const other of [{ body: { text: 'ho' } }, { kind: 'image' }, { replyTo: 1 }, { mentions: ['bo'] }]) {
      await expect(
        chat.send(user('ada'), { cid, mid: 'm', kind: 'text', body: { text: 'hi', n: { a: 1, b: 2 } }, ...other }),
      ).rejects.toMatchObject({ code: 'mid_conflict' });
    }
    await expect(chat.send(user('bo'), { cid, mid: 'm', kind: 'text', body: { text: 'hi', n: { a: 1, b: 2 } } })).rejects.toMatchObject({
      code: 'mid_conflict',
    });
  });

  test('a hundred at once with one mid are one message', async () => {
    const { chat } = await withUsers('ada');
    const { conversation } = await chat.createConversation(user('ada'), { kind: 'group', participants: [] });
    const results = await Promise.all(Array.from({ length: 100 }, () => chat.send(user('ada'), text(conversation.cid, 'same'))));
    expect(new Set(results.map(({ seq }) => seq))).toEqual(new Set([1]));
    expect(results.filter(({ dup }) => !dup)).toHaveLength(1);
  });

  test('no send of a removed user gets behind the removal', async () => {
    const { chat, store } = await withUsers('ada', 'bo');
    const { conversation } = await chat.createConversation(user('ada'), { kind: 'group', participants: ['bo'] });
    const { cid } = conversation;
    await chat.send(user('bo'), text(cid, 'before'));
    const removal = chat.removeParticipant(user('ada'), cid, 'bo');
    const sends = await Promise.allSettled([
      chat.send(user('bo'), text(cid, 'during')),
      removal.then(() => chat.send(user('bo'), text(cid, 'after'))),
    ]);
    const log = await store.changes(cid, { after: 0, limit: 100 });
    const removedAt = log.find((entry) => entry.op === 'change')!.rev;
    expect(log.filter((entry) => entry.op === 'message' && entry.message.from === 'bo').every((entry) => entry.rev < removedAt)).toBe(true);
    expect(sends[1]).toMatchObject({ status: 'rejected', reason: { code: 'not_participant' } });
  });

  test('a removal that failed gives nobody else’s rights back, and a second one does not claim success', async () => {
    const { chat, store } = await withUsers('ada', 'bo', 'cy');
    const { conversation } = await chat.createConversation(user('ada'), { kind: 'group', participants: ['bo', 'cy'] });
    const { cid } = conversation;
    await chat.messages(user('ada'), cid, {});
    const commit = store.commit;
    let fail = (_: Error) => {};
    store.commit = () => new Promise((_, reject) => (fail = reject));
    const first = chat.removeParticipant(user('ada'), cid, 'bo').catch((error) => error.code);
    await new Promise((resolve) => setImmediate(resolve));
    const second = chat.removeParticipant(user('ada'), cid, 'bo').catch((error) => error.code);
    const others = chat.removeParticipant(user('ada'), cid, 'cy');
    await new Promise((resolve) => setImmediate(resolve));
    store.commit = commit;
    fail(new Error('disk'));
    expect(await first).toBe('store_unavailable');
    await expect(chat.send(user('cy'), text(cid, 'late'))).rejects.toMatchObject({ code: 'not_participant' });
    expect(await second).toBeUndefined();
    await others;
    expect((await chat.conversation(user('ada'), cid)).participants.map(({ uid }) => uid)).toEqual(['ada']);
  });

  test('unread never counts one’s own, and is exact after reads', async () => {
    const { chat } = await withUsers('ada', 'bo');
    const { conversation } = await chat.createConversation(user('ada'), { kind: 'dm', participants: ['bo'] });
    const { cid } = conversation;
    for (let i = 0; i < 5; i++) await chat.send(user('ada'), text(cid, `a${i}`));
    const unread = async (uid: string) => {
      const { items } = await chat.conversations(user(uid), {});
      return Math.max(0, items[0]!.head - items[0]!.lastRead);
    };
    expect([await unread('ada'), await unread('bo')]).toEqual([0, 5]);
    expect(await chat.read(user('bo'), cid, 3)).toBe(3);
    expect(await chat.read(user('bo'), cid, 1)).toBe(3);
    expect(await unread('bo')).toBe(2);
    await chat.send(user('bo'), text(cid, 'b0'));
    expect([await unread('ada'), await unread('bo')]).toEqual([1, 0]);
  });
});

test('a change that commits while a conversation is being loaded is not missed', async () => {
  const { chat, store } = await withUsers('ada', 'bo');
  const { conversation } = await chat.createConversation(user('ada'), { kind: 'group', participants: [] });
  let release = () => {};
  const slow = {
    conversation: store.conversation.bind(store),
    participants: store.participants.bind(store),
    heads: store.heads.bind(store),
  };
  const held = new Directory({
    ...slow,
    participants: async (cid) => {
      const rows = await slow.participants(cid);
      await new Promise<void>((resolve) => (release = resolve));
      return rows;
    },
  });
  const loading = held.load(conversation.cid);
  await new Promise((resolve) => setImmediate(resolve));
  await chat.addParticipants(user('ada'), conversation.cid, { users: ['bo'] });
  const entries = (await store.changes(conversation.cid, { after: 0, limit: 9 })).map(committedEntry);
  held.apply({ entries, receipts: [], revs: [] });
  release();
  await new Promise((resolve) => setImmediate(resolve));
  release();
  expect([...(await loading).members.keys()]).toEqual(['ada', 'bo']);
});

test('the directory keeps within its bound and still answers', async () => {
  const { chat, store } = await withUsers('ada');
  const cids: string[] = [];
  for (let i = 0; i < 20; i++)
    cids.push((await chat.createConversation(user('ada'), { kind: 'group', participants: [] })).conversation.cid);
  const small = new Directory(store, { membersMax: 5 });
  for (const cid of [...cids, ...cids]) await small.require('ada', cid);
  expect(cids.filter((cid) => small.peek(cid) !== undefined).length).toBeLessThanOrEqual(6);
});
