import { ulidOf } from '@gapless/testkit/contract';
import fc from 'fast-check';

// Random steps over few conversations and mids, so that they meet all the time.

export const CIDS = ['a', 'b', 'c'];

const cid = fc.constantFrom('a', 'a', ...CIDS);
const group = fc.constantFrom('save' as const, 'deliver' as const);
const shard = fc.constantFrom(0, 1);
const size = fc.integer({ min: 0, max: 8 });
const count = fc.integer({ min: 1, max: 4 });

const node = fc.constantFrom('n1', 'n1', 'n1', 'n2');

const request = fc.record({
  node,
  cid,
  mid: fc.oneof(
    { weight: 9, arbitrary: fc.integer({ min: 1, max: 40 }).map(ulidOf) },
    { weight: 1, arbitrary: fc.constantFrom('m1', 'm2') },
  ),
  text: fc.constantFrom('x', 'x', 'x', 'x', 'y'),
  replyTo: fc.constantFrom(undefined, undefined, undefined, 1, 4),
  membersRev: fc.constantFrom(undefined, 0, 0, 0, 1),
  looked: fc.boolean(),
});

const task = {
  accept: fc.record({ do: fc.constant('accept' as const), requests: fc.array(request, { minLength: 1, maxLength: 6 }) }),
  intend: fc.record({ do: fc.constant('intend' as const), cid }),
  open: fc.record({ do: fc.constant('open' as const), cid, size }),
  hold: fc.record({ do: fc.constant('hold' as const), cid }),
  close: fc.record({ do: fc.constant('close' as const), cid, older: fc.constantFrom(0, 0, 1) }),
  node: fc.record({ do: fc.constantFrom('admit' as const, 'admit' as const, 'bar' as const), node }),
  save: fc.record({ do: fc.constant('save' as const), shard, count, size }),
  read: fc.record({ do: fc.constant('read' as const), group, count }),
  reclaim: fc.record({ do: fc.constant('reclaim' as const), group, shard, count }),
  delivered: fc.record({ do: fc.constant('delivered' as const), shard, count }),
  look: fc.record({ do: fc.constant('look' as const), cid, after: size, limit: size }),
};

export type Request = typeof request extends fc.Arbitrary<infer T> ? T : never;
export type Step = (typeof task)[keyof typeof task] extends fc.Arbitrary<infer T> ? T : never;

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 9, arbitrary: task.accept },
  { weight: 3, arbitrary: task.intend },
  { weight: 4, arbitrary: task.open },
  { weight: 1, arbitrary: task.hold },
  { weight: 2, arbitrary: task.close },
  { weight: 1, arbitrary: task.node },
  { weight: 4, arbitrary: task.save },
  { weight: 2, arbitrary: task.read },
  { weight: 1, arbitrary: task.reclaim },
  { weight: 1, arbitrary: task.delivered },
  { weight: 1, arbitrary: task.look },
);

/** All conversations begin open, and both nodes may accept. */
const beginning: [number, Step][] = [
  ...(['n1', 'n2'] as const).map((each): [number, Step] => [0, { do: 'admit', node: each }]),
  ...CIDS.flatMap((each): [number, Step][] => [
    [0, { do: 'intend', cid: each }],
    [0, { do: 'open', cid: each, size: 5 }],
  ]),
];

/** Each with the connection that does it: mostly the first, so that openings are ended. */
export const steps = fc
  .array(fc.tuple(fc.constantFrom(0, 0, 0, 1), step), { minLength: 10, maxLength: 120, size: 'max' })
  .map((script) => [...beginning, ...script]);
