import { expect, test } from 'vitest';
import { type Direction, droppedOf, rulesets } from './fence.ts';

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

test('what was dropped is told of each peer, over both ends', () => {
  const listed = (...packets: number[]) => packets.map((count) => `tcp sport 1 counter packets ${count} bytes 60 drop`).join('\n');
  expect(droppedOf([listed(3, 0), listed(4, 2)], 2)).toEqual([7, 2]);
  expect(droppedOf(['', listed(0, 5)], 2)).toEqual([0, 5]);
});
