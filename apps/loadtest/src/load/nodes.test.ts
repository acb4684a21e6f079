import { describe, expect, test } from 'vitest';
import { parseAddresses, sourceOf } from './addresses.ts';
import { LoadContext } from './context.ts';
import { makeMid } from './mid.ts';
import { nodeUses } from './node-use.ts';
import { NodeTurns } from './nodes.ts';
import { DEFAULTS } from './options.ts';
import { Receiver } from './receiver.ts';
import type { Second } from './result.ts';

// Goal: several nodes are loaded evenly, and what lies between them is measured alone. Method: the parts that decide it, one by one.

const URLS = ['http://127.0.0.1:1', 'http://127.0.0.1:2', 'http://127.0.0.1:3'];

test('those that lost one node spread over all others', () => {
  const nodes = new NodeTurns(5);
  const taken = Array.from({ length: 400 }, () => nodes.after(2));
  const counts = [0, 1, 2, 3, 4].map((node) => taken.filter((other) => other === node).length);
  expect(counts[2]).toBe(0);
  for (const node of [0, 1, 3, 4]) expect(counts[node]).toBeGreaterThan(70);
  expect(new NodeTurns(1).after(0)).toBe(0);
});

test.each([
  ['127.0.0.1-127.0.0.3', ['127.0.0.1', '127.0.0.2', '127.0.0.3']],
  ['10.0.0.5, 10.0.0.255-10.0.1.0', ['10.0.0.5', '10.0.0.255', '10.0.1.0']],
  ['127.0.0.3-127.0.0.1', undefined],
  ['127.0.0.1-127.1.0.1', undefined],
  ['localhost', undefined],
  ['', undefined],
])('addresses: %s', (text, addresses) => {
  expect(parseAddresses(text)).toEqual(addresses);
});

describe('a client connects', () => {
  test('from the addresses given, each with clients of every node', () => {
    const from = (index: number) => sourceOf(index, { urls: URLS, localAddresses: ['a', 'b'] }).localAddress;
    expect([0, 1, 2, 3, 4, 5, 6].map(from)).toEqual(['a', 'a', 'a', 'b', 'b', 'b', 'a']);
  });

  test('from where the system chooses, until a port of loopback can no longer be had', () => {
    const from = (index: number, urls: string[]) => sourceOf(index, { urls }).localAddress;
    expect([from(24_999, URLS.slice(0, 1)), from(25_000, URLS.slice(0, 1)), from(50_000, URLS.slice(0, 1))]).toEqual([
      undefined,
      '127.0.0.2',
      '127.0.0.3',
    ]);
    expect([from(74_999, URLS), from(75_000, URLS), from(99_999, URLS), from(100_000, URLS)]).toEqual([
      undefined,
      '127.0.0.2',
      '127.0.0.2',
      '127.0.0.3',
    ]);
    expect(from(100_000, ['http://chat.example.org'])).toBeUndefined();
  });
});

describe('the hop', () => {
  const receive = (urls: readonly string[], from: { client: number; node: number }, { resuming = false } = {}) => {
    const context = new LoadContext('Lx', { ...DEFAULTS, urls, jwtSecret: '' });
    const receiver = new Receiver(
      { index: 1, user: 'u', cid: 'c', node: 0, sends: true, role: 'fast', steady: false },
      context,
      '{}',
      () => {},
    );
    receiver.joined(0, 0);
    receiver.node = 2;
    if (resuming) {
      receiver.returns(0, false);
      receiver.joined(5, 0);
    }
    const mid = makeMid({ tag: context.tag, client: from.client, intendedUs: 10, node: from.node });
    const data = Buffer.from(JSON.stringify({ t: 'message', cid: 'c', seq: 1, rev: 1, mid, from: 'v', at: 1, kind: 'text', body: {} }));
    receiver.message(data, 0, data.length, 20);
    const { e2e, e2eSame, e2eOther } = context.histograms;
    return [e2e.count, e2eSame.count, e2eOther.count];
  };

  test('is told by where the sender was and where the receiver is', () => {
    expect(receive(URLS, { client: 7, node: 2 })).toEqual([1, 1, 0]);
    expect(receive(URLS, { client: 7, node: 1 })).toEqual([1, 0, 1]);
  });

  test('is not that of the sender itself, of one that resumes, or of one node', () => {
    expect(receive(URLS, { client: 1, node: 2 })).toEqual([1, 0, 0]);
    expect(receive(URLS, { client: 7, node: 1 }, { resuming: true })).toEqual([1, 0, 0]);
    expect(receive(URLS.slice(0, 1), { client: 7, node: 0 })).toEqual([1, 0, 0]);
  });
});

test('use is told by node; one that was never seen has none', () => {
  const second = (nodes: Second['nodes']): Second => ({
    second: 1,
    sent: 0,
    saved: 0,
    received: 0,
    ...(nodes === undefined ? {} : { nodes }),
  });
  const seconds = [
    second([{ cpuPct: 10, rssMiB: 90, connections: 5 }, {}]),
    second([{ cpuPct: 30, rssMiB: 80, connections: 4 }, { connections: 3 }]),
  ];
  expect(nodeUses(['a', 'b'], seconds)).toEqual([
    { url: 'a', cpuPct: 20, rssMaxMiB: 90, connectionsMax: 5 },
    { url: 'b', connectionsMax: 3 },
  ]);
});
