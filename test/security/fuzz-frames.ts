import fc from 'fast-check';

// What a hostile or broken client sends: frames of the protocol, and the same with something wrong.

/** What of a conversation the frames are about. */
export interface Scene {
  readonly cid: string;
  readonly users: readonly string[];
}

const deep = (levels: number): unknown => Array.from({ length: levels }).reduce((inner) => ({ a: inner }), 1);

/** Own key `__proto__`, as a parser makes it. */
const proto = JSON.parse('{"__proto__":{"admin":true}}') as unknown;

const NASTY: readonly unknown[] = [
  ...[null, true, false, 0, -0, -1, 0.1, 1e308, 2 ** 53, 2 ** 53 + 2, -(2 ** 53), 2 ** 64, Number.MAX_SAFE_INTEGER],
  ...[
    '',
    ' ',
    '\0',
    'a\0b',
    '\ud800',
    '\udfff\ud800',
    '\u202e',
    '👩‍👩‍👧‍👦',
    'x'.repeat(65),
    'x'.repeat(5_000),
    '__proto__',
    'constructor',
    "' OR 1=1 --",
    '{}',
  ],
  ...[[], {}, [[]], [null], { length: 1e9 }, { toString: 1 }, { t: 'send' }, proto, [proto], deep(31), deep(32), deep(33), deep(500)],
];
const nasty = fc.oneof({ weight: 4, arbitrary: fc.constantFrom(...NASTY) }, { weight: 1, arbitrary: fc.jsonValue() });

const mid = fc.oneof(
  { weight: 3, arbitrary: fc.stringMatching(/^[A-Za-z0-9_-]{1,24}$/) },
  { weight: 1, arbitrary: fc.constantFrom('again', 'constructor', '__proto__', '-', 'x'.repeat(64)) },
);
const count = fc.oneof(fc.nat(50), fc.maxSafeNat());
const seq = fc.oneof(fc.integer({ min: 1, max: 50 }), fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }));
const body = fc.oneof(
  fc.record({ text: fc.string({ unit: 'grapheme', maxLength: 30 }) }),
  fc.dictionary(fc.string({ unit: 'binary', maxLength: 8 }), fc.jsonValue({ stringUnit: 'binary' }), { maxKeys: 4 }),
);
const cidOf = ({ cid }: Scene) =>
  fc.oneof(
    { weight: 6, arbitrary: fc.constant(cid) },
    { weight: 1, arbitrary: fc.string({ minLength: 1, maxLength: 64, unit: 'binary' }) },
  );

/** Bodies of a send, over HTTP or in a frame. */
export function sends({ users }: Scene): fc.Arbitrary<Record<string, unknown>> {
  return fc.record(
    {
      mid,
      kind: fc.oneof(fc.constantFrom('text', 'image', 'sys', 'file'), fc.string({ minLength: 1, maxLength: 32, unit: 'binary' })),
      body,
      replyTo: seq,
      threadRoot: seq,
      mentions: fc.array(fc.oneof(fc.constantFrom(...users), fc.string({ minLength: 1, maxLength: 64, unit: 'binary' })), { maxLength: 3 }),
      clientId: fc.string({ maxLength: 64 }),
      at: count,
    },
    { requiredKeys: ['mid', 'kind', 'body'] },
  );
}

/** Frames that fit their schema. */
function goodFrames(scene: Scene): fc.Arbitrary<Record<string, unknown>> {
  const cid = cidOf(scene);
  const cursor = { cid, since: count, rev: count };
  const users = fc.array(fc.oneof(fc.constantFrom(...scene.users), fc.string({ minLength: 1, maxLength: 64 })), { maxLength: 5 });
  const frame = (t: string, fields: Record<string, fc.Arbitrary<unknown>>, requiredKeys: string[] = Object.keys(fields)) =>
    fc.record<Record<string, unknown>>({ t: fc.constant(t), ...fields }, { requiredKeys: ['t', ...requiredKeys] });
  return fc.oneof(
    { weight: 30, arbitrary: fc.tuple(cid, sends(scene)).map(([to, fields]) => ({ t: 'send', cid: to, ...fields })) },
    { weight: 5, arbitrary: frame('join', cursor, ['cid']) },
    { weight: 5, arbitrary: frame('sync', { convs: fc.array(fc.record(cursor, { requiredKeys: ['cid'] }), { maxLength: 3 }) }) },
    { weight: 5, arbitrary: frame('leave', { cid }) },
    { weight: 5, arbitrary: frame('ack', { cid, pos: count }) },
    { weight: 5, arbitrary: frame('read', { cid, pos: count }) },
    { weight: 5, arbitrary: frame('typing', { cid, on: fc.boolean() }) },
    { weight: 5, arbitrary: frame('presence', { watch: users, unwatch: users }, []) },
    { weight: 5, arbitrary: frame('ping', { n: count }, []) },
    { weight: 5, arbitrary: frame('edit', { cid, seq, body, opId: mid }) },
    { weight: 5, arbitrary: frame('recall', { cid, seq, opId: mid }) },
    { weight: 5, arbitrary: frame('react', { cid, seq, emoji: fc.string({ minLength: 1, maxLength: 8 }), on: fc.boolean(), opId: mid }) },
    { weight: 5, arbitrary: frame('call', { cid }) },
    { weight: 1, arbitrary: frame('auth', { jwt: fc.string({ minLength: 1, maxLength: 200 }) }) },
  );
}

/** The value with one thing wrong, or several. */
export function broken(good: fc.Arbitrary<Record<string, unknown>>): fc.Arbitrary<unknown> {
  const mutation = fc.oneof(
    fc.record({ how: fc.constant('drop' as const), which: fc.nat() }),
    fc.record({ how: fc.constant('replace' as const), which: fc.nat(), value: nasty }),
    fc.record({ how: fc.constant('inside' as const), which: fc.nat(), value: nasty }),
    fc.record({
      how: fc.constant('add' as const),
      key: fc.constantFrom('__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty', 'from', 'seq', 'rev', 'mid', 'since', ''),
      value: nasty,
    }),
  );
  const one = fc.tuple(good, fc.array(mutation, { minLength: 1, maxLength: 3 })).map(([value, mutations]) => {
    const changed: Record<string, unknown> = { ...value };
    for (const change of mutations) {
      const keys = Object.keys(changed);
      const key = change.how === 'add' ? change.key : keys[change.which % Math.max(1, keys.length)];
      if (key === undefined) continue;
      if (change.how === 'drop') delete changed[key];
      else {
        const wrapped = change.how === 'inside' ? { ...(changed[key] as object), inside: change.value } : change.value;
        Object.defineProperty(changed, key, { value: wrapped, enumerable: true, configurable: true, writable: true });
      }
    }
    return changed;
  });
  return fc.oneof(
    { weight: 8, arbitrary: one },
    { weight: 1, arbitrary: nasty },
    { weight: 1, arbitrary: fc.array(one, { maxLength: 3 }) },
  );
}

/** Values: most of them wrong. */
export function values(scene: Scene): fc.Arbitrary<unknown> {
  const good = goodFrames(scene);
  return fc.oneof({ weight: 1, arbitrary: good }, { weight: 2, arbitrary: broken(good) });
}

/** Bytes that came apart on the way: cut, one replaced, doubled, or never of the protocol. */
export function tattered(bytes: fc.Arbitrary<Buffer>): fc.Arbitrary<Buffer> {
  return fc.oneof(
    fc.tuple(bytes, fc.nat()).map(([whole, at]) => whole.subarray(0, at % Math.max(1, whole.length))),
    fc.tuple(bytes, fc.nat(), fc.nat(255)).map(([whole, at, byte]) => {
      const copy = Buffer.from(whole);
      if (copy.length > 0) copy[at % copy.length] = byte;
      return copy;
    }),
    bytes.map((whole) => Buffer.concat([whole, whole])),
    fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array)),
    fc.string({ unit: 'binary', maxLength: 300 }).map((text) => Buffer.from(text)),
  );
}

const nest = (open: string, close: string, levels: number) => Buffer.from(`${open.repeat(levels)}1${close.repeat(levels)}`);

/** Texts that ask much of a parser. */
export const hardTexts = fc.constantFrom(
  nest('[', ']', 30_000),
  nest('{"a":', '}', 10_000),
  Buffer.from('['.repeat(60_000)),
  Buffer.from(`{"t":"ping","n":${'9'.repeat(5_000)}}`),
  Buffer.from(`{"t":"ping",${'"n":1,'.repeat(5_000)}"n":2}`),
  Buffer.from(`{"t":"send","cid":"x","mid":"m","kind":"text","body":{${Array.from({ length: 5_000 }, (_, i) => `"k${i}":0`).join(',')}}}`),
  Buffer.from(`{"t":"${'\\u0000'.repeat(10_000)}"}`),
  Buffer.from('x'.repeat(65_537)),
);

/** The same in MessagePack: lengths that are not there, depth, and types that are refused. */
export const hardPacks = fc.constantFrom(
  ...[
    'c1',
    'df ffffffff',
    'dd ffffffff',
    'db ffffffff',
    'c6 ffffffff',
    'c9 ffffffff 01',
    'de ffff',
    'd6 ff 00000000',
    'cf ffffffffffffffff',
    'cb 7ff8000000000000',
  ].map((hex) => Buffer.from(hex.replaceAll(' ', ''), 'hex')),
  Buffer.alloc(60_000, 0x91),
  Buffer.concat(Array.from({ length: 20_000 }, () => Buffer.from([0x81, 0xa1, 0x61]))),
  Buffer.from([0x82, 0xa1, 0x74, 0xa4, 0x70, 0x69, 0x6e, 0x67, 0xa1, 0x6e, 0xcb, 0x7f, 0xf0, 0, 0, 0, 0, 0, 0]),
  Buffer.from([0x81, 0x01, 0x02]),
  Buffer.from([0x81, 0xa9, ...Buffer.from('__proto__'), 0x80]),
  Buffer.alloc(65_537, 0xc0),
);
