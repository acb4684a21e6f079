import type { Command, SaveCommand, SettleCommand, Store } from '@gapless/core';
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
    ensureMembers: maybe(fc.constant(true)),
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

/** The epoch that is open, and one that is not. */
export const EPOCH = 1;
const epoch = fc.constantFrom(EPOCH, EPOCH, EPOCH, EPOCH, EPOCH, 2, 0);
const window = fc.integer({ min: 1, max: 9 });
const opening = fc.constantFrom(1, 1, 1, 1, 1, 1, 2, 2, 3);
/** From the next number on; mostly it. `atHead` makes numbers of them. */
const ahead = fc.constantFrom(0, 0, 0, 0, 0, 0, -1, 1);
const accepted = send.map(({ membersRev: _membersRev, ensureMembers: _ensureMembers, ...fields }) => fields);

const accepting = fc.oneof(
  { weight: 3, arbitrary: fc.record({ op: fc.constant('open'), cid, epoch, opening, window }) },
  {
    weight: 12,
    arbitrary: fc
      .record({ epoch, seq: ahead, rev: fc.constantFrom(0, 0, 0, 0, 0, 0, 0, 1), window, send: accepted })
      .map((fields) => ({ op: 'save', cid: fields.send.cid, ...fields })),
  },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('close'), cid, epoch, opening, head: fc.constantFrom(0, 0, 0, -1, 1) }) },
  {
    weight: 1,
    arbitrary: fc
      .record({
        ...{ op: fc.constant('settle'), cid, epoch, at, opening: fc.option(opening, { nil: undefined }) },
        upTo: fc.oneof(fc.integer({ min: -1, max: 5 }), fc.constant('reserved')),
        messages: fc.array(fc.record({ seq: fc.integer({ min: -1, max: 6 }), send: accepted }), { maxLength: 4 }),
      })
      .map(({ messages, ...fields }) => ({
        ...fields,
        messages: messages.map((item) => ({ ...item, send: { ...item.send, cid: fields.cid } })),
      })),
  },
);

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

/** Batches of commands; in half of the scripts also those of an accept log. */
export const script: fc.Arbitrary<Command[][]> = fc.oneof(
  scriptOf(command),
  scriptOf(fc.oneof({ weight: 1, arbitrary: command }, { weight: 1, arbitrary: accepting })),
);

/** The n-th creation of a kind makes its n-th conversation, and the port knows no undefined properties. */
function scriptOf(commands: fc.Arbitrary<Draft>): fc.Arbitrary<Command[][]> {
  return fc.array(fc.array(commands, { minLength: 1, maxLength: 20 }), { minLength: 1, maxLength: 6 }).map((batches) => {
    const made = { g: 0, d: 0 };
    const named = (draft: Draft): Draft => {
      const letter = draft.kind === 'dm' ? 'd' : 'g';
      return draft.op === 'create' ? { ...draft, cid: `${letter}${made[letter]++}` } : draft;
    };
    return [FIRST, ...batches].map((batch) => batch.map((draft) => JSON.parse(JSON.stringify(named(draft))) as Command));
  });
}

/** The numbers of the accept log's commands, which are drafted as distances, as they are if all saves before them go through. */
export async function atHead(store: Store, batch: readonly Command[]): Promise<Command[]> {
  const given = new Map<string, { head: number; rev: number }>();
  for (const { cid } of batch) given.set(cid, (await store.conversation(cid)) ?? { head: 0, rev: 0 });
  return batch.map((item) => {
    const { head, rev } = given.get(item.cid)!;
    switch (item.op) {
      case 'save': {
        given.set(item.cid, { head: head + 1, rev: rev + 1 });
        return { ...item, seq: Math.max(1, head + 1 + item.seq), rev: rev + 1 + item.rev } satisfies SaveCommand;
      }
      case 'close':
        return { ...item, head: head + item.head };
      case 'settle': {
        const messages = item.messages.map(({ seq, send }) => ({ seq: head + seq, rev: rev + seq, send }));
        const upTo = item.upTo === 'reserved' ? item.upTo : head + item.upTo;
        return { ...item, upTo, messages } satisfies SettleCommand;
      }
      default:
        return item;
    }
  });
}

/** What the store knows for the accept log of these conversations, whose cids have this prefix. */
export async function acceptingOf(store: Store, prefix: string): Promise<unknown> {
  const cids = CIDS.map((name) => prefix + name);
  const open = await store.openConversations(EPOCH, { after: prefix, limit: CIDS.length });
  return {
    open: open.filter((item) => item.cid.startsWith(prefix)),
    first: await Promise.all(cids.map((item) => store.firstOutcomes(item, ['m1', 'M1', 'm3', 'nothing']))),
    mids: await Promise.all(cids.map((item) => store.midsAfter(item, 'm2', 3))),
  };
}

/** The same commands about other users and conversations. */
export function renamed(batch: readonly Command[], prefix: string): Command[] {
  const name = (value: string) => `${prefix}${value}`;
  return batch.map((item) => ({
    ...item,
    ...('cid' in item ? { cid: name(item.cid) } : {}),
    ...('by' in item ? { by: name(item.by) } : {}),
    ...('uid' in item ? { uid: name(item.uid) } : {}),
    ...('from' in item ? { from: name(item.from) } : {}),
    ...('send' in item ? { send: renamed([item.send], prefix)[0] } : {}),
    ...('messages' in item ? { messages: item.messages.map((each) => ({ ...each, send: renamed([each.send], prefix)[0] })) } : {}),
    ...('users' in item ? { users: item.users.map(name) } : {}),
    ...('participants' in item ? { participants: item.participants.map((each) => ({ ...each, uid: name(each.uid) })) } : {}),
  })) as Command[];
}
