import { expect } from 'vitest';
import type { AcceptLogs } from './accept-log.ts';
import {
  acceptAll,
  accepted,
  acceptOne,
  ask,
  begun,
  EPOCH,
  everyEntry,
  firstOf,
  openAll,
  opening,
  refused,
  saveAll,
  seqsOf,
  ulidOf,
} from './accept-log-requests.ts';
import { range, T0 } from './commands.ts';
import type { Cases } from './contract.ts';

export const acceptCases: Cases<AcceptLogs> = {
  async 'numbers go on densely from what the conversation was opened with'({ one, two }) {
    await begun(one);
    await openAll(one, opening('c1', { head: 7, rev: 9 }), opening('c2'));
    const outcomes = await one.accept(EPOCH, [ask('c1', ulidOf(1)), ask('c2', ulidOf(1)), ask('c1', ulidOf(2))]);
    expect(outcomes).toEqual([accepted(8, { rev: 10 }), accepted(1), accepted(9, { rev: 11 })]);
    expect(await acceptOne(two, ask('c1', ulidOf(3)))).toEqual(accepted(10, { rev: 12 }));
  },

  async 'calls that were made without waiting are accepted in their order'({ one }) {
    await begun(one, 'c1');
    const calls = await Promise.all(range(50).map((n) => one.accept(EPOCH, [ask('c1', ulidOf(2 * n)), ask('c1', ulidOf(2 * n + 1))])));
    expect(calls.flat().map((outcome) => outcome.ok && outcome.seq)).toEqual(range(100));
  },

  async 'a thousand sends over two connections into five conversations: each number once, none missing'({ one, two }) {
    await begun(one, ...range(5).map((n) => `c${n}`));
    const calls = range(500).flatMap((n) => [one, two].map((log, i) => acceptOne(log, ask(`c${(n % 5) + 1}`, ulidOf(2 * n + i)))));
    const outcomes = await Promise.all(calls);
    expect(outcomes.filter((outcome) => !outcome.ok)).toEqual([]);
    const byCid = Map.groupBy(
      (await everyEntry(two)).flatMap(({ entries }) => entries),
      ({ accepted: { send } }) => send.cid,
    );
    expect([...byCid.keys()].sort()).toEqual(range(5).map((n) => `c${n}`));
    for (const entries of byCid.values()) expect(seqsOf(entries)).toEqual(range(200));
  },

  async 'the same mid again is the first outcome, from whichever node, also when it is saved'({ one, two }) {
    await begun(one, 'c1', 'c2');
    const twice = await one.accept(EPOCH, [ask('c1', ulidOf(5), { at: T0 + 5 }), ask('c1', ulidOf(5), { at: T0 + 6 })]);
    expect(twice).toEqual([accepted(1, { at: T0 + 5 }), accepted(1, { at: T0 + 5, dup: true })]);
    expect(await acceptOne(one, ask('c2', ulidOf(5)))).toEqual(accepted(1));
    await saveAll(one);
    expect(await acceptOne(two, ask('c1', ulidOf(5)))).toEqual(accepted(1, { at: T0 + 5, dup: true, saved: true }));
    expect(await acceptOne(two, ask('c1', ulidOf(6)))).toEqual(accepted(2));
  },

  async 'the same mid with another payload, or from another sender, is a conflict'({ one }) {
    await begun(one, 'c1');
    await acceptAll(one, 'c1', [1]);
    expect(await acceptOne(one, ask('c1', ulidOf(1), { text: 'other' }))).toEqual(refused('mid_conflict'));
    expect(await acceptOne(one, ask('c1', ulidOf(1), { from: 'bob' }))).toEqual(refused('mid_conflict'));
    expect(await acceptOne(one, ask('c1', ulidOf(2)))).toEqual(accepted(2));
  },

  async 'what the store had is known when the conversation is opened with it'({ one }) {
    await begun(one);
    const old = ask('c1', ulidOf(3), { at: T0 + 3 });
    await openAll(one, opening('c1', { head: 4, rev: 5, mids: [firstOf(old.send, 4, 5)] }));
    expect(await acceptOne(one, old)).toEqual({ ok: true, seq: 4, rev: 5, at: T0 + 3, dup: true, saved: true });
    expect(await acceptOne(one, ask('c1', ulidOf(3), { text: 'other' }))).toEqual(refused('mid_conflict'));
  },

  async 'a mid that is no ULID after the bound has to be looked up first, and is remembered then'({ one }) {
    await begun(one);
    await openAll(one, opening('c1', { knownFrom: ulidOf(10) }));
    const text = ulidOf(11);
    const odd = ['m1', ulidOf(10), ulidOf(9), text.toLowerCase(), `8${text.slice(1)}`, text.slice(1), `${text}0`];
    const letters = ['I', 'L', 'O', 'U', '-', 'é'].map((letter) => text.slice(0, 25) + letter);
    for (const mid of [...odd, ...letters, '']) expect([mid, await acceptOne(one, ask('c1', mid))]).toEqual([mid, refused('unsure')]);
    expect(await acceptOne(one, ask('c1', 'm1', { looked: true }))).toEqual(accepted(1));
    expect(await acceptOne(one, ask('c1', 'm1'))).toEqual(accepted(1, { dup: true }));
    for (const mid of [text, `7${'Z'.repeat(25)}`]) expect(await acceptOne(one, ask('c1', mid))).toMatchObject({ ok: true, dup: false });
  },

  async 'a bound may be any text, and is compared byte by byte'({ one }) {
    await begun(one);
    await openAll(one, opening('c1', { knownFrom: '' }), opening('c2', { knownFrom: '01HV_' }), opening('c3', { knownFrom: '01Hé' }));
    const asked = await one.accept(EPOCH, [
      ask('c1', ulidOf(1)),
      ask('c2', ulidOf(1)),
      ask('c3', ulidOf(1)),
      ask('c3', `7${ulidOf(1).slice(1)}`),
    ]);
    expect(asked).toEqual([accepted(1), refused('unsure'), refused('unsure'), accepted(1)]);
  },

  async 'what is refused takes no number and is not remembered'({ one }) {
    await begun(one);
    await openAll(one, opening('c1', { membersRev: 3 }));
    const outcomes = await one.accept(EPOCH, [
      ask('c1', ulidOf(1), { membersRev: 2 }),
      ask('c1', ulidOf(1), { replyTo: 1 }),
      ask('c1', ulidOf(1), { threadRoot: 1 }),
      ask('c1', ulidOf(1), { membersRev: 3, callerRole: 'member' }),
      ask('c1', ulidOf(2), { replyTo: 1, threadRoot: 1 }),
    ]);
    expect(outcomes).toEqual([
      refused('stale'),
      { ok: false, code: 'bad_frame', say: 'replyTo: there is no such message' },
      { ok: false, code: 'bad_frame', say: 'threadRoot: there is no such message' },
      accepted(1),
      accepted(2),
    ]);
  },

  async 'a conversation is ahead of the store by what is reserved, and no further'({ one, two }) {
    await begun(one);
    await openAll(one, opening('c1', { head: 1, rev: 1, reserved: 3 }));
    await acceptAll(one, 'c1', [1, 2]);
    expect(await acceptOne(two, ask('c1', ulidOf(3)))).toEqual(refused('full'));
    expect(await acceptOne(two, ask('c1', ulidOf(2)))).toEqual(accepted(3, { dup: true }));
    await saveAll(one, 4);
    expect(await acceptAll(two, 'c1', [3])).toEqual([4]);
    expect(await acceptOne(two, ask('c1', ulidOf(4)))).toEqual(refused('full'));
  },

  async 'with too much that is not saved everything new is refused, in all conversations'({ one, backlogMax }) {
    await begun(one, 'c1', 'c2');
    const numbers = range(backlogMax + 2);
    const outcomes = await one.accept(
      EPOCH,
      numbers.map((n) => ask('c1', ulidOf(n))),
    );
    expect(outcomes.slice(-3).map((outcome) => outcome.ok || outcome.code)).toEqual([true, 'busy', 'busy']);
    expect(await acceptOne(one, ask('c2', ulidOf(1)))).toEqual(refused('busy'));
    expect(await acceptOne(one, ask('c1', ulidOf(1)))).toEqual(accepted(1, { dup: true }));
    await saveAll(one);
    expect(await acceptAll(one, 'c2', [1])).toEqual([1]);
  },

  async 'an entry is what was sent, without what its rights rested on'({ one }) {
    await begun(one, 'c1');
    const fields = { replyTo: 0, mentions: ['bob', 'cid'], kind: 'image', ensureMembers: true } as const;
    const request = ask('c1', ulidOf(1), { ...fields, membersRev: 0, callerRole: 'owner', node: 'node 7' });
    await one.accept(EPOCH, [request]);
    const { membersRev: _membersRev, callerRole: _callerRole, ...sent } = request.send;
    const [entry] = (await everyEntry(one)).flatMap(({ entries }) => entries);
    expect(entry!.accepted).toEqual({ epoch: EPOCH, seq: 1, rev: 1, node: 'node 7', send: sent });
    expect(await one.pending(EPOCH, 'c1', { after: 0, limit: 10 })).toEqual([entry!.accepted]);
  },

  async 'ids and bodies may be any text'({ one, two }) {
    const ids = [
      'a:b',
      'm0:c',
      '1',
      '{1}:1',
      'sp ace',
      'new\nline',
      '*?[a-z]\\',
      '\0',
      '"',
      'é',
      '漢字',
      '😀',
      '\ud800',
      '\udbff',
      '__proto__',
    ];
    await begun(one, ...ids);
    const body = JSON.stringify({ text: `"\\\n\u2028\0😀${'x'.repeat(48 * 1024)}` });
    const requests = ids.map((id) => ask(id, id, { from: id, digest: id, body, looked: true, node: id }));
    expect(await one.accept(EPOCH, requests)).toEqual(ids.map(() => accepted(1)));
    expect(await two.accept(EPOCH, requests)).toEqual(ids.map(() => accepted(1, { dup: true })));
    for (const { send, node } of requests)
      expect(await two.pending(EPOCH, send.cid, { after: 0, limit: 9 })).toEqual([{ epoch: EPOCH, seq: 1, rev: 1, node, send }]);
    const shards = Array.from({ length: await two.shards() }, (_, shard) => shard);
    const read = await two.read(EPOCH, 'save', { shards, node: '漢 "字"', count: 100, blockMs: 1 });
    expect(read.flatMap(({ entries }) => entries.map(({ accepted }) => accepted.send.cid)).sort()).toEqual(ids.toSorted());
  },

  async 'no message is accepted twice, however many mids came since'({ one, two }) {
    await begun(one, 'c1');
    const [all, late] = [5_000, ask('c1', ulidOf(20_000))];
    await acceptOne(one, late);
    for (let n = 0; n < all; n += 500) {
      await acceptAll(one, 'c1', range(500, n + 1));
      await saveAll(one);
    }
    const again = await two.accept(
      EPOCH,
      range(all).map((n) => ask('c1', ulidOf(n))),
    );
    // Of what is forgotten it knows that it may be in the store.
    const unsure = again.findIndex((outcome) => outcome.ok);
    expect(unsure).toBeGreaterThan(1_000);
    expect(again.slice(0, unsure)).toEqual(range(unsure).map(() => refused('unsure')));
    expect(again.slice(unsure).every((outcome) => outcome.ok && outcome.dup && outcome.saved)).toBe(true);
    // The first one was forgotten with its generation: the bound lies behind it, and what is before the bound must be looked up.
    expect(await acceptOne(two, late)).toEqual(refused('unsure'));
    expect(await acceptOne(two, ask('c1', ulidOf(19_999)))).toEqual(refused('unsure'));
    expect(await acceptOne(two, ask('c1', ulidOf(20_001)))).toEqual(accepted(all + 2));
  },

  async 'nothing that is not saved is forgotten'({ one }) {
    await begun(one, 'c1');
    for (let n = 0; n < 2_500; n += 500) await acceptAll(one, 'c1', range(500, n + 1));
    const again = await one.accept(
      EPOCH,
      range(2_500).map((n) => ask('c1', ulidOf(n))),
    );
    expect(again).toEqual(range(2_500).map((n) => accepted(n, { dup: true })));
  },
};
