import type { AcceptOutcome } from '@gapless/core';
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
  NODE,
  openAll,
  opening,
  refused,
  saveAll,
  seqsOf,
  ulidOf,
} from './accept-log-requests.ts';
import { range, T0 } from './commands.ts';
import type { Cases } from './contract.ts';

const NO_REPLY_TO: AcceptOutcome = { ok: false, code: 'bad_frame', say: 'replyTo: there is no such message' };

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
    const asked = await one.accept(EPOCH, [ask('c1', ulidOf(1)), ask('c2', ulidOf(1)), ask('c3', ulidOf(1))]);
    expect(asked).toEqual([accepted(1), refused('unsure'), refused('unsure')]);
    expect(await acceptOne(one, ask('c3', `7${ulidOf(1).slice(1)}`))).toEqual(accepted(1));
  },

  async 'what is refused takes no number and is not remembered'({ one }) {
    await begun(one);
    await openAll(one, opening('c1', { membersRev: 3 }));
    expect(await acceptOne(one, ask('c1', ulidOf(1), { membersRev: 2 }))).toEqual(refused('stale'));
    const outcomes = await one.accept(EPOCH, [
      ask('c1', ulidOf(1), { replyTo: 1 }),
      ask('c1', ulidOf(1), { threadRoot: 1 }),
      ask('c1', ulidOf(1), { membersRev: 3, callerRole: 'member' }),
      ask('c1', ulidOf(2), { replyTo: 1, threadRoot: 1 }),
    ]);
    expect(outcomes).toEqual([NO_REPLY_TO, { ...NO_REPLY_TO, say: 'threadRoot: there is no such message' }, accepted(1), accepted(2)]);
  },

  async 'behind one that is refused nothing of its conversation is accepted in the call, and after it everything'({ one, two }) {
    await begun(one);
    await openAll(one, opening('c1', { membersRev: 3, knownFrom: ulidOf(10) }), opening('c2', { reserved: 1 }), opening('c3'));
    await acceptAll(one, 'c1', [11]);
    await acceptAll(one, 'c2', [1]);
    const [old, repeated, fresh] = [ask('c1', ulidOf(5)), ask('c1', ulidOf(11)), ask('c1', ulidOf(12))];
    const outdated = ask('c1', ulidOf(13), { membersRev: 2 });
    const outcomes = await one.accept(EPOCH, [
      repeated,
      ask('c3', ulidOf(1)),
      old,
      fresh,
      repeated,
      outdated,
      ask('c1', ulidOf(11), { text: 'other' }),
      ask('c1', ulidOf(12), { replyTo: 9 }),
      ask('c1', ulidOf(14), { looked: true, membersRev: 3 }),
      ask('c3', ulidOf(2)),
    ]);
    const unsure = refused('unsure');
    const conflict = refused('mid_conflict');
    const first = accepted(1, { dup: true });
    expect(outcomes).toEqual([first, accepted(1), unsure, unsure, unsure, unsure, conflict, NO_REPLY_TO, unsure, accepted(2)]);
    expect(await two.accept(EPOCH, [outdated, old, fresh])).toEqual([refused('stale'), refused('stale'), refused('stale')]);
    const full = [ask('c2', ulidOf(2)), ask('c2', ulidOf(1)), ask('c2', 'odd')];
    expect(await two.accept(EPOCH, full)).toEqual(full.map(() => refused('full')));
    // A conflict, and what refers to nothing, hold nothing back.
    const wrong = [ask('c1', ulidOf(11), { text: 'other' }), ask('c1', ulidOf(12), { replyTo: 9 })];
    const last = await two.accept(EPOCH, [...wrong, { ...old, looked: true }, fresh, repeated]);
    expect(last).toEqual([conflict, NO_REPLY_TO, accepted(2), accepted(3), first]);
  },

  async 'a node that is not admitted gets nothing, while others do'({ one, two }) {
    await begun(one, 'c1');
    const own = (n: number) => ask('c1', ulidOf(n));
    const other = (n: number) => ask('c1', ulidOf(n), { node: 'n2' });
    expect(await two.accept(EPOCH, [other(1), other(1), own(2), other(3), own(3)])).toEqual([
      refused('over'),
      refused('over'),
      accepted(1),
      refused('over'),
      accepted(2),
    ]);
    for (const log of [one, two]) await log.admit(EPOCH, 'n2');
    expect(await acceptOne(two, other(4))).toEqual(accepted(3));
    await one.bar(EPOCH, 'n2');
    expect(await two.accept(EPOCH, [other(4), other(5), ask('c9', ulidOf(1), { node: 'n2' })])).toEqual(
      range(3).map(() => refused('over')),
    );
    expect(await acceptOne(one, own(5))).toEqual(accepted(4));
    await two.bar(EPOCH, 'never there');
    await two.admit(EPOCH, 'n2');
    expect(await acceptOne(two, other(6))).toEqual(accepted(5));
  },

  async 'when a node was barred is told by the clock of the backlog: what it had accepted is not newer'({ one, two }) {
    await begun(one, 'c1', 'c2');
    await acceptAll(one, 'c1', [1]);
    await acceptAll(one, 'c2', [1]);
    const barredAt = await two.bar(EPOCH, NODE);
    const { oldestAt } = await one.backlog(EPOCH);
    expect(oldestAt).toBeLessThanOrEqual(barredAt);
    await one.admit(EPOCH, NODE);
    await saveAll(one);
    await acceptAll(one, 'c1', [2]);
    expect((await one.backlog(EPOCH)).oldestAt).toBeGreaterThanOrEqual(barredAt);
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
    await one.admit(EPOCH, 'node 7');
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
    for (const id of ids) await two.admit(EPOCH, id);
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
    const again: AcceptOutcome[] = [];
    for (let n = 1; n <= all; n += 10) again.push(await acceptOne(two, ask('c1', ulidOf(n))));
    // Of what is forgotten it knows that it may be in the store.
    const unsure = again.findIndex((outcome) => outcome.ok);
    expect(unsure).toBeGreaterThan(100);
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
