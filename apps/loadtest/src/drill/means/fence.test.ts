import { expect, test } from 'vitest';
import { type Direction, rulesets } from './fence.ts';

const BROKER = { address: '10.77.1.1', port: 6379 };
const drops = (direction: Direction) =>
  rulesets([BROKER, { ownPort: 9001 }], direction, 'drill1').map((rules) => rules.split('\n').filter((line) => line.endsWith(' drop')));
const IN = ['ip saddr 10.77.1.1 tcp sport 6379 counter drop', 'tcp dport 9001 counter drop'];
const OUT = ['iifname "drill1" ip daddr 10.77.1.1 tcp dport 6379 counter drop', 'iifname "drill1" tcp sport 9001 counter drop'];

test('what a node is told is dropped at the node, what it says at the other end', () => {
  expect(drops('in')).toEqual([IN, []]);
  expect(drops('out')).toEqual([[], OUT]);
  expect(drops('both')).toEqual([IN, OUT]);
});
