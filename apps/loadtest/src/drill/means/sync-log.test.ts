import { expect, test } from 'vitest';
import { readSyncLog } from './sync-log.ts';

// Goal: a retry after a failed fsync is seen. Method: lines as strace writes them.

const FAILED = '12    fdatasync(21</data/chat.db-wal>) = -1 EIO (Input/output error) (INJECTED)';

test('one failure and the end', () => {
  const log = readSyncLog(`11 fsync(20</data/chat.db>) = 0\n${FAILED}\n12    +++ exited with 0 +++\n11    +++ exited with 1 +++\n`, 11);
  expect(log).toEqual({ failed: ['/data/chat.db-wal'], failures: 1, retries: 0, after: 0, exitStatus: 1 });
});

test('a retry by another thread through another descriptor, even one that works, is a retry', () => {
  expect(readSyncLog(`${FAILED}\n13    fsync(9</data/chat.db-wal>) = 0\n`, 11)).toMatchObject({ failures: 1, retries: 1, after: 1 });
});

test('another file after it is no retry, but counted', () => {
  expect(readSyncLog(`${FAILED}\n13    fsync(9</data/other>) = 0\n`, 11)).toMatchObject({ retries: 0, after: 1 });
});

test('calls that another thread interrupts in the log', () => {
  const lines = [
    '12    fdatasync(21</data/chat.db-wal> <unfinished ...>',
    '13    fsync(9</data/chat.db> <unfinished ...>',
    '12    <... fdatasync resumed>) = -1 EIO (Input/output error) (INJECTED)',
    '13    <... fsync resumed>)        = -1 EIO (Input/output error) (INJECTED)',
    '12    fdatasync(21</data/chat.db-wal>) = -1 EIO (Input/output error) (INJECTED)',
  ];
  expect(readSyncLog(lines.join('\n'), 11)).toEqual({
    failed: ['/data/chat.db-wal', '/data/chat.db'],
    failures: 3,
    retries: 1,
    after: 1,
  });
});

test('what is no file does not count', () => {
  const lines = ['12    fsync(2<socket:[77]>) = -1 EIO (Input/output error) (INJECTED)', '12    fsync(2<pipe:[78]> <unfinished ...>'];
  const log = readSyncLog(
    [...lines, FAILED, ...lines, '12    <... fsync resumed>) = -1 EIO (Input/output error) (INJECTED)'].join('\n'),
    11,
  );
  expect(log).toEqual({ failed: ['/data/chat.db-wal'], failures: 1, retries: 0, after: 0 });
});

test('nothing failed', () => {
  expect(readSyncLog('12    fsync(9</data/chat.db>) = 0\n', 11)).toEqual({ failed: [], failures: 0, retries: 0, after: 0 });
});
