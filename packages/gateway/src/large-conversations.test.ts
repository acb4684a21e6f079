import { settled } from '@gapless/testkit';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type FakeClient, startGateway } from './harness.test-util.ts';
import { deliveryOf, STRATEGY, type StrategyRules } from './strategy.ts';

const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i);

describe('the rules', () => {
  test.each([
    [10, 10, 'push'],
    [1_999, 499, 'push'],
    [2_000, 10, 'notify'],
    [600, 500, 'notify'],
    [9_999, 1_999, 'notify'],
    [5_000, 2_000, 'none'],
    [10_000, 1, 'none'],
  ] as const)('%i members, %i online: %s', (members, online, expected) => {
    expect(deliveryOf(STRATEGY, { members, online }, 'push')).toBe(expected);
  });

  test('a mode other than auto holds for every size, but for what is too many for notices', () => {
    expect(deliveryOf({ ...STRATEGY, mode: 'push' }, { members: 1e6, online: 1e6 }, 'none')).toBe('push');
    expect(deliveryOf({ ...STRATEGY, mode: 'none' }, { members: 2, online: 2 }, 'push')).toBe('none');
    expect(deliveryOf({ ...STRATEGY, mode: 'notify' }, { members: 2, online: 2 }, 'push')).toBe('notify');
    expect(deliveryOf({ ...STRATEGY, mode: 'notify' }, { members: 2, online: 2_000 }, 'push')).toBe('none');
  });

  test('a conversation that stands at a threshold does not flap', () => {
    const size = fc.record({ members: fc.nat(12_000), online: fc.nat(3_000) });
    fc.assert(
      fc.property(size, fc.constantFrom('push' as const, 'notify' as const, 'none' as const), (at, before) => {
        const decided = deliveryOf(STRATEGY, at, before);
        expect(deliveryOf(STRATEGY, at, decided)).toBe(decided);
      }),
    );
  });
});

/** A conversation of six; `bo` and `cy` pull, `di` does not. */
async function world(strategy: StrategyRules) {
  const started = await startGateway({ limits: { strategy } });
  const cid = await started.group('ada', 'bo', 'cy', 'di', 'eve', 'fay');
  const join = async (uid: string, pulls: boolean): Promise<FakeClient> => {
    const client = await started.connect(uid);
    client.session.pulls = pulls;
    await client.send({ t: 'join', cid });
    return client;
  };
  return { ...started, cid, join };
}

const NOTIFY: StrategyRules = { ...STRATEGY, mode: 'notify' };

describe('notify', () => {
  test('who pulls is told and gets everything when it asks; who does not is pushed', async () => {
    const { cid, join, say, clock } = await world(NOTIFY);
    const [bo, di] = [await join('bo', true), await join('di', false)];
    await say('ada', cid, 5);
    expect(di.seqs(cid)).toEqual(range(1, 5));
    expect(di.of('head')).toEqual([]);
    const told = bo.of('head').at(-1)!;
    expect(told).toMatchObject({ cid, mode: 'notify', waitMs: expect.any(Number) });
    const had = bo.seqs(cid).length;
    await clock.advance(3_000);
    await say('ada', cid, 5, 'more');
    await clock.advance(3_000);
    expect(bo.seqs(cid).length).toBe(had);
    expect(bo.of('head').at(-1)).toMatchObject({ head: 10, rev: 10 });
    await bo.send({ t: 'pull', cid });
    expect(bo.seqs(cid)).toEqual(range(1, 10));
    await say('ada', cid, 1, 'last');
    expect(bo.seqs(cid)).toEqual(range(1, 10));
    await bo.send({ t: 'pull', cid });
    await bo.send({ t: 'pull', cid });
    expect(bo.seqs(cid)).toEqual(range(1, 11));
  });

  test('many messages between two notices are one notice', async () => {
    const { cid, join, say, clock } = await world(NOTIFY);
    const bo = await join('bo', true);
    const before = bo.of('head').length;
    for (const round of range(1, 50)) await say('ada', cid, 10, `r${round}`);
    await clock.advance(10_000);
    expect(bo.of('head').length - before).toBeLessThanOrEqual(3);
    expect(bo.of('head').at(-1)).toMatchObject({ head: 500 });
  });

  test('the sender’s own devices see a message at once', async () => {
    const { cid, join, clock, say } = await world(NOTIFY);
    const [bo, phone] = [await join('bo', true), await join('bo', true)];
    await say('ada', cid, 3);
    await clock.advance(3_000);
    await bo.send({ t: 'send', cid, mid: 'own', kind: 'text', body: {} });
    for (const device of [bo, phone]) expect(device.seqs(cid)).toEqual([1, 2, 3, 4]);
  });

  test('a join with a cursor is replayed as always, and told the mode behind it', async () => {
    const { cid, say, connect } = await world(NOTIFY);
    await say('ada', cid, 300);
    const bo = await connect('bo');
    bo.session.pulls = true;
    await bo.send({ t: 'join', cid, rev: 100 });
    await say('ada', cid, 3, 'next');
    expect(bo.seqs(cid)).toEqual(range(101, 300));
    await bo.send({ t: 'pull', cid });
    expect(bo.seqs(cid)).toEqual(range(101, 303));
    const t = bo.frames.map((frame) => frame.t);
    expect(t.indexOf('joined')).toBeLessThan(t.indexOf('head'));
  });

  test('pulled from the store when it asks late', async () => {
    const { cid, say, join, clock } = await world(NOTIFY);
    const bo = await join('bo', true);
    for (const round of range(1, 10)) await say('ada', cid, 50, `r${round}`, 'x'.repeat(1_000));
    await clock.advance(20_000);
    await bo.send({ t: 'pull', cid });
    await settled();
    expect(bo.seqs(cid)).toEqual(range(1, 500));
  });

  test('a removal ends it at its place, pulled or not', async () => {
    const { cid, say, join, chat, admin } = await world(NOTIFY);
    const bo = await join('bo', true);
    await say('ada', cid, 3);
    await chat.removeParticipant(admin, cid, 'bo');
    await say('ada', cid, 3, 'secret');
    await bo.send({ t: 'pull', cid });
    expect(bo.seqs(cid)).toEqual([1, 2, 3]);
    expect(bo.of('error').map(({ code }) => code)).toEqual(['not_participant']);
  });

  test('typing is told to nobody', async () => {
    const { cid, say, join } = await world(NOTIFY);
    const [bo, di] = [await join('bo', true), await join('di', false)];
    await say('ada', cid, 1);
    await bo.send({ t: 'typing', cid, on: true });
    expect(di.of('typing')).toEqual([]);
  });
});

describe('switching while running', () => {
  test('from push to notify, to none, and back: nothing lost, nothing twice, each told', async () => {
    const strategy: StrategyRules = { ...STRATEGY, mode: 'push' };
    const { cid, say, join, clock } = await world(strategy);
    const bo = await join('bo', true);
    await say('ada', cid, 2, 'a');
    expect([bo.seqs(cid), bo.of('head')]).toEqual([[1, 2], []]);
    for (const mode of ['notify', 'none'] as const) {
      strategy.mode = mode;
      await clock.advance(1_000);
      await say('ada', cid, 2, mode);
      await clock.advance(10_000);
      await say('ada', cid, 2, `${mode} later`);
      await clock.advance(10_000);
    }
    strategy.mode = 'push';
    await clock.advance(1_000);
    await say('ada', cid, 2, 'z');
    expect(bo.seqs(cid)).toEqual(range(1, 12));
    const modes = bo.of('head').map(({ mode }) => mode);
    expect([...new Set(modes)]).toEqual(['notify', 'none', 'push']);
    expect(modes.filter((mode) => mode === 'none')).toHaveLength(1);
  });
});

test('a pull of what was not joined is refused', async () => {
  const { cid, connect } = await world(NOTIFY);
  const bo = await connect('bo');
  await bo.send({ t: 'pull', cid });
  expect(bo.of('error')).toMatchObject([{ code: 'not_participant', ref: { t: 'pull', cid } }]);
});

test('a removal during the join reaches the client, and ends the subscription', async () => {
  const { cid, connect, say, store, chat, admin } = await world(NOTIFY);
  await say('ada', cid, 3);
  const { heads } = store;
  let open = () => {};
  const gate = new Promise<void>((resolve) => (open = resolve));
  store.heads = async (...args) => {
    const read = await heads(...args);
    await gate;
    return read;
  };
  const bo = await connect('bo');
  bo.session.pulls = true;
  await bo.send({ t: 'join', cid });
  await chat.removeParticipant(admin, cid, 'bo');
  open();
  await settled();
  await say('ada', cid, 3, 'later');
  expect(bo.of('change').map(({ op }) => op)).toEqual(['participants_removed']);
  expect([bo.of('message'), bo.session.subscriptions.size]).toEqual([[], 0]);
});

test('what was committed before a switch comes by itself, to a slow connection too', async () => {
  const strategy: StrategyRules = { ...STRATEGY, mode: 'push' };
  const { cid, say, join, clock } = await world(strategy);
  const bo = await join('bo', true);
  bo.transport.bufferedBytes = 1e9;
  await say('ada', cid, 3, 'before');
  strategy.mode = 'notify';
  await clock.advance(1_000);
  await say('ada', cid, 1, 'switching');
  await bo.drain();
  expect(bo.seqs(cid)).toEqual([1, 2, 3, 4]);
});

test('pulls within the time of a notice find the tail, not the store', async () => {
  const { cid, say, join, clock, store } = await world(NOTIFY);
  const bo = await join('bo', true);
  await say('ada', cid, 5);
  await clock.advance(1_000);
  await bo.send({ t: 'pull', cid });
  const { replay } = store;
  let reads = 0;
  store.replay = (...args) => {
    reads++;
    return replay(...args);
  };
  const strategy = await world({ ...STRATEGY, mode: 'none' });
  const cy = await strategy.join('cy', true);
  await strategy.say('ada', strategy.cid, 5);
  await strategy.clock.advance(5_000);
  const read = strategy.store.replay;
  strategy.store.replay = (...args) => {
    reads++;
    return read(...args);
  };
  await cy.send({ t: 'pull', cid: strategy.cid });
  expect(cy.seqs(strategy.cid)).toEqual(range(1, 5));
  expect(reads).toBe(0);
});
