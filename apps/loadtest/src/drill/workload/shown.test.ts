import { expect, test } from 'vitest';
import { misshown, type Shown } from './shown.ts';

// Goal: a client that received a message and never showed it does not pass. Method: one fault each on a screen that is right.

const history = Array.from({ length: 6 }, (_, i): Shown => ({ seq: i + 1, mid: `m${i + 1}`, from: 'bo', h: `h${i + 1}` }));
const withLoss = history.with(3, { seq: 4, mid: 'l4', from: 'system', h: 'h', lost: true });

test('what stands in the history from the first message on is right', () => {
  expect(misshown({ user: 'ada', shown: history }, history)).toEqual([]);
  expect(misshown({ user: 'ada', shown: history.slice(2) }, history)).toEqual([]);
  expect(misshown({ user: 'ada', shown: withLoss.with(3, { ...withLoss[3]!, mid: 'lost-4', h: 'other' }) }, withLoss)).toEqual([]);
  expect(misshown({ user: 'ada', shown: [] }, [])).toEqual([]);
});

test.each([
  ['nothing', [], 'nothing in place of seq 1, bo/m1 h1'],
  ['not the newest', history.slice(0, -1), 'nothing in place of seq 6, bo/m6 h6'],
  ['not one in the middle', history.toSpliced(2, 1), 'seq 4, bo/m4 h4 in place of seq 3, bo/m3 h3'],
  ['one twice', history.toSpliced(2, 0, history[1]!), 'seq 2, bo/m2 h2 in place of seq 3, bo/m3 h3'],
  ['two the other way round', history.with(2, history[3]!).with(3, history[2]!), 'seq 4, bo/m4 h4 in place of seq 3, bo/m3 h3'],
  ['another body', history.with(2, { ...history[2]!, h: 'other' }), 'seq 3, bo/m3 other in place of seq 3, bo/m3 h3'],
  ['one more', [...history, { ...history[5]!, seq: 7 }], 'seq 7, bo/m6 h6 in place of nothing'],
  ['a message that is lost', [...withLoss.slice(0, 3), history[3]!, ...withLoss.slice(4)], 'seq 4, bo/m4 h4 in place of seq 4, lost'],
])('%s', (name, shown, said) => {
  expect(misshown({ user: 'ada', shown }, name === 'a message that is lost' ? withLoss : history)).toEqual([`the SDK shows ada ${said}`]);
});
