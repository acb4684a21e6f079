import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Committed, CommittedEntry } from '../events.ts';
import { decodeAnnouncement, encodeAnnouncement, partsOf } from './announcement.ts';

// Goal: what a node announces arrives as it was, whatever is in it, cut as the broker needs it, also from the release before or after.

const from = { node: 'a-1', n: 7, numbered: true };
const NOTHING: Committed = { entries: [], receipts: [], revs: [] };

const id = fc.string({ minLength: 1, maxLength: 64, unit: 'binary' });
const text = fc.record({ t: fc.constant('message'), body: fc.jsonValue() }).map((value) => JSON.stringify(value));
const entry: fc.Arbitrary<CommittedEntry> = fc.oneof(
  fc.record({ op: fc.constant('message' as const), cid: id, rev: fc.nat(), seq: fc.nat(), from: id, text }),
  fc.record({
    op: fc.constant('change' as const),
    cid: id,
    rev: fc.nat(),
    by: id,
    detail: fc.record({ op: fc.constant('settings' as const), title: fc.string() }),
    text,
  }),
);
const committed = fc.record({
  entries: fc.array(entry),
  receipts: fc.array(fc.record({ op: fc.constantFrom('read' as const, 'delivered' as const), cid: id, uid: id, pos: fc.nat() })),
  revs: fc.array(fc.record({ cid: id, rev: fc.nat() })),
});

/** Order holds among messages and among changes; a rev says the rest. */
const sorted = ({ entries, ...rest }: Committed) => ({ ...rest, entries: entries.toSorted((a, b) => a.op.localeCompare(b.op)) });

test('what was encoded is decoded', () => {
  fc.assert(
    fc.property(committed, fc.record({ sids: fc.array(id), until: fc.nat() }), (content, revoked) => {
      const told = decodeAnnouncement(encodeAnnouncement(from, { committed: content, revoked }));
      expect(told && { ...told, committed: sorted(told.committed) }).toEqual({
        ...from,
        committed: sorted(content),
        revoked,
      });
    }),
  );
});

test('settings, replacements and typing too', () => {
  const content = {
    replaced: { uid: 'u', device: 'd', conn: 'c' },
    settings: { changes: { a: '1' }, by: 'admin', at: 1 },
    leaving: true as const,
    typing: { cid: 'c', uid: 'u', on: true },
  };
  expect(decodeAnnouncement(encodeAnnouncement(from, content))).toEqual({ ...from, committed: NOTHING, ...content });
});

describe('versions', () => {
  test('a field that a newer node adds is ignored', () => {
    const payload = encodeAnnouncement(from, {}).replace('{"v":1,', '{"v":1,"weather":"fine",');
    expect(decodeAnnouncement(payload)).toEqual({ ...from, committed: NOTHING });
  });

  test.each(['', 'x', 'null', '{}', '{"v":2,"node":"b","n":1}', '{"v":1,"node":"b","n":1}\n{}'])('%j is not understood', (payload) => {
    expect(decodeAnnouncement(payload)).toBeUndefined();
  });
});

test('parts are within the bound, one entry aside, and are everything in order', () => {
  const large = fc.array(fc.record({ size: fc.nat(5_000), change: fc.boolean() }), { maxLength: 60 });
  fc.assert(
    fc.property(large, fc.nat(400), fc.integer({ min: 2_000, max: 20_000 }), (sizes, count, maxBytes) => {
      const entries = sizes.map(({ size, change }, i): CommittedEntry => {
        const base = { cid: 'c', rev: i + 1, text: JSON.stringify('x'.repeat(size)) };
        return change
          ? { ...base, op: 'change', by: 'u', detail: { op: 'settings', title: 'x'.repeat(size) } }
          : { ...base, op: 'message', seq: i + 1, from: 'u' };
      });
      const receipts = Array.from({ length: count }, (_, i) => ({ op: 'read' as const, cid: 'c', uid: 'u', pos: i }));
      const revs = Array.from({ length: count % 50 }, (_, i) => ({ cid: 'c', rev: i }));
      const parts = [...partsOf({ entries, receipts, revs }, maxBytes)];
      expect(parts.flatMap((part) => part.entries)).toEqual(entries);
      expect(parts.flatMap((part) => part.receipts)).toEqual(receipts);
      expect(parts.flatMap((part) => part.revs)).toEqual(revs);
      for (const part of parts) {
        const bytes = Buffer.byteLength(encodeAnnouncement(from, { committed: part }));
        const sole = part.entries.length === 1 ? 2 * Buffer.byteLength(part.entries[0]!.text) : 0;
        expect(bytes).toBeLessThanOrEqual(2 * maxBytes + sole);
      }
    }),
  );
});
