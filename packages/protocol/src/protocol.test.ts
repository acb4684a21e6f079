import specs from '@asyncapi/specs';
import { Ajv } from 'ajv';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { asyncApiDocument, canonicalJson, jsonCodec, msgpackCodec, parseUpFrame, UP_SCHEMAS } from './index.ts';

describe('parseUpFrame', () => {
  test('names the field that does not fit, and what the frame was about', () => {
    expect(parseUpFrame({ t: 'send', cid: 'c', mid: 'not ok!', kind: 'text', body: {} })).toMatchObject({
      ok: false,
      code: 'bad_frame',
      msg: expect.stringMatching(/^mid: /),
      ref: { t: 'send', cid: 'c', mid: 'not ok!' },
    });
    expect(parseUpFrame({ t: 'send' })).toMatchObject({ ok: false, msg: 'cid: is required' });
    expect(parseUpFrame({ t: 'sync', convs: [{ cid: 1 }] })).toMatchObject({ ok: false, msg: expect.stringMatching(/^convs\.0\.cid: /) });
  });

  test('ignores unknown fields', () => {
    expect(parseUpFrame({ t: 'ping', n: 1, later: true })).toMatchObject({ ok: true });
  });

  test.each(['__proto__', 'constructor', 'toString', ''])('does not know the type %j', (t) => {
    expect(parseUpFrame({ t })).toMatchObject({ ok: false, code: 'unknown_type' });
  });

  test('any value is a frame or an error, never an exception', () => {
    const almost = fc.record({
      t: fc.constantFrom(...Object.keys(UP_SCHEMAS)),
      cid: fc.anything(),
      mid: fc.anything(),
      pos: fc.anything(),
    });
    fc.assert(
      fc.property(fc.oneof(fc.anything(), fc.jsonValue(), almost), (value) => {
        const parsed = parseUpFrame(value);
        expect(parsed.ok || ['bad_frame', 'unknown_type'].includes(parsed.code)).toBe(true);
      }),
      { numRuns: 5_000 },
    );
  });
});

describe.each([jsonCodec, msgpackCodec])('codec $name', (codec) => {
  test('what JSON can say comes back as it was', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (value) => {
        // The key that both codecs' consumers refuse: canonicalJson keeps it out of bodies.
        fc.pre(!JSON.stringify(value).includes('"__proto__"'));
        const plain = JSON.parse(JSON.stringify(value));
        expect(codec.decode(codec.encode(plain))).toEqual(plain);
      }),
    );
  });

  test('any bytes decode or throw', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        try {
          codec.decode(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(Error);
        }
      }),
      { numRuns: 5_000 },
    );
  });
});

test('msgpack carries no binary and no extension types', () => {
  expect(() => msgpackCodec.decode(msgpackCodec.encode({ body: new Uint8Array(1) }))).toThrow();
  expect(() => msgpackCodec.decode(msgpackCodec.encode({ at: new Date() }))).toThrow();
});

test('canonical JSON does not depend on the order of keys, and bounds the depth', () => {
  expect(canonicalJson({ b: [1, { d: null, c: 'x' }], a: true })).toBe(canonicalJson({ a: true, b: [1, { c: 'x', d: null }] }));
  expect(canonicalJson({ a: 1 })).not.toBe(canonicalJson({ a: '1' }));
  expect(() => canonicalJson(JSON.parse('['.repeat(100) + ']'.repeat(100)))).toThrow(RangeError);
  expect(() => canonicalJson(JSON.parse('{"a":{"__proto__":1}}'))).toThrow(RangeError);
});

test('the AsyncAPI document is valid', () => {
  const schema = (specs as unknown as { schemasWithoutId: Record<string, object> }).schemasWithoutId['3.0.0']!;
  const validate = new Ajv({ strict: false, validateFormats: false }).compile(schema);
  const valid = validate(JSON.parse(JSON.stringify(asyncApiDocument())));
  expect(validate.errors ?? []).toEqual([]);
  expect(valid).toBe(true);
});
