import { expect, test } from 'vitest';
import { remarksIn } from './node-logs.ts';

const error = (message: string) => JSON.stringify({ level: 50, msg: 'commit failed', err: { message, stack: 'Error: no\n    at here' } });

test('errors of the logger are counted by what they say, warnings are not', () => {
  const log = [error('no disk'), JSON.stringify({ level: 40, msg: 'slow' }), error('no disk'), error('no net'), ''].join('\n');
  expect(remarksIn(log)).toEqual(['2 times "commit failed" (no disk)', '1 times "commit failed" (no net)']);
});

test('what a crash writes is told by its error', () => {
  const crash = [
    'file:///app/main.ts:3',
    '  throw x;',
    '  ^',
    '',
    'TypeError: x is no function',
    '    at f (main.ts:3:1)',
    '    at g',
    '',
    'Node.js v26',
  ];
  expect(remarksIn(`${error('no')}\n${crash.join('\n')}\n`)).toEqual([
    '1 times "commit failed" (no)',
    '1 times a stack trace: TypeError: x is no function',
  ]);
  expect(remarksIn('(node:1) ExperimentalWarning: something\n')).toEqual([]);
});
