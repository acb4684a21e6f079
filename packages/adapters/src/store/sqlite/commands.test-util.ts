import type { Command } from '@gapless/core';
import fc from 'fast-check';

// Random commands over few users, conversations and mids, so that they meet all the time. Groups are g0…, dms d0….

export const UIDS = ['ann', 'bob', 'cid', 'Ann'];
export const CIDS = ['g0', 'g1', 'g2', 'd0', 'd1'];

const uid = fc.constantFrom(...UIDS);
const cid = fc.constantFrom('g0', 'g0', ...CIDS);
const group = fc.constantFrom('g0', 'g0', 'g1', 'g2');
const at = fc.integer({ min: 1_000, max: 1_005 });
const pos = fc.integer({ min: 0, max: 8 });
/** Mostly nothing. */
const maybe = <T>(value: fc.Arbitrary<T>) => fc.oneof({ weight: 9, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: value });
const title = fc.constantFrom('', 'plans', 'Plans', '\u{1f600} nul \0');
const membersRev = maybe(fc.integer({ min: 0, max: 4 }));
const user = { by: uid, at, membersRev };

const send = fc
  .record({
    cid,
    from: fc.constantFrom('ann', 'ann', 'bob', ...UIDS),
    at,
    mid: fc.constantFrom('m1', 'm2', 'm3', 'm4', 'm5', 'm6', 'M1'),
    text: fc.constantFrom('', '', '', 'lone \ud800'),
    replyTo: maybe(fc.integer({ min: 1, max: 8 })),
    threadRoot: maybe(fc.integer({ min: 1, max: 8 })),
    mentions: maybe(fc.array(uid, { maxLength: 2 })),
    membersRev,
  })
  .map(({ text, ...fields }) => {
    const body = JSON.stringify({ text });
    const digest = JSON.stringify([body, fields.replyTo, fields.threadRoot, fields.mentions]);
    return { op: 'send', kind: 'text', body, digest, ...fields };
  });

/** Its cid is set by `script`. */
const create = fc
  .record({
    ...user,
    kind: fc.constantFrom('group', 'dm'),
    title: maybe(title),
    createUsers: fc.boolean(),
    users: fc.uniqueArray(uid, { minLength: 2, maxLength: 2 }),
  })
  .map(({ users, ...fields }) => ({ op: 'create', cid: '', participants: users.map((each) => ({ uid: each, role: 'owner' })), ...fields }));

const add = fc.record({
  op: fc.constant('add'),
  cid: group,
  ...user,
  users: fc.array(uid, { minLength: 1, maxLength: 3 }),
  role: fc.constantFrom('member', 'admin'),
  createUsers: fc.boolean(),
});

/** So that there is something to send to from the start. */
const FIRST = [
  { op: 'create', cid: '', kind: 'group', by: 'ann', at: 1_000, createUsers: true, participants: [{ uid: 'ann', role: 'owner' }] },
  {
    op: 'create',
    cid: '',
    kind: 'dm',
    by: 'ann',
    at: 1_000,
    createUsers: true,
    participants: ['ann', 'bob'].map((each) => ({ uid: each, role: 'owner' })),
  },
];

const command = fc.oneof(
  { weight: 8, arbitrary: send },
  { weight: 3, arbitrary: create },
  { weight: 2, arbitrary: add },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('remove'), cid: group, ...user, uid }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('settings'), cid, ...user, title }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('read'), cid, uid, pos }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('delivered'), cid, uid, did: fc.constantFrom('phone', 'laptop'), pos }) },
);

type Draft = { readonly op: string; readonly cid: string; readonly kind?: string };

/** Batches of commands. The n-th creation of a kind makes its n-th conversation, and the port knows no undefined properties. */
export const script: fc.Arbitrary<Command[][]> = fc
  .array(fc.array(command, { minLength: 1, maxLength: 20 }), { minLength: 1, maxLength: 6 })
  .map((batches) => {
    const made = { g: 0, d: 0 };
    const named = (draft: Draft): Draft => {
      const letter = draft.kind === 'dm' ? 'd' : 'g';
      return draft.op === 'create' ? { ...draft, cid: `${letter}${made[letter]++}` } : draft;
    };
    return [FIRST, ...batches].map((batch) => batch.map((draft) => JSON.parse(JSON.stringify(named(draft))) as Command));
  });

/** The same commands about other users and conversations. */
export function renamed(batch: readonly Command[], prefix: string): Command[] {
  const name = (value: string) => `${prefix}${value}`;
  return batch.map((item) => ({
    ...item,
    ...('cid' in item ? { cid: name(item.cid) } : {}),
    ...('by' in item ? { by: name(item.by) } : {}),
    ...('uid' in item ? { uid: name(item.uid) } : {}),
    ...('from' in item ? { from: name(item.from) } : {}),
    ...('users' in item ? { users: item.users.map(name) } : {}),
    ...('participants' in item ? { participants: item.participants.map((each) => ({ ...each, uid: name(each.uid) })) } : {}),
  })) as Command[];
}
