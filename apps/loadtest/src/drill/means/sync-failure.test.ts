import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { failSyncs, trySyncFailure } from './sync-failure.ts';
import { missingAbility, missingTools } from './tools.ts';

// Goal: fsyncs of a running process begin to fail, and what it does then is seen. Method: one that stops, and one that tries again.

/** Fsyncs on every byte it is given, says how that went, and on failure does as told. */
const PROGRAM = `
const { fsyncSync, openSync, writeSync } = require('node:fs');
const file = openSync(process.argv[1], 'w');
let failures = 0;
process.stdin.on('data', () => {
  writeSync(file, 'x');
  try {
    fsyncSync(file);
    console.log('ok');
  } catch (error) {
    console.log(error.code);
    if (++failures > Number(process.argv[2])) process.exit(3);
  }
});
console.log('open');
`;

const missing = [...missingTools('strace'), ...missingAbility('strace cannot inject errors', trySyncFailure)];

test.for([
  { title: 'one that stops at once', retries: 0 },
  { title: 'one that tries again', retries: 2 },
])('$title', async ({ retries }, ctx) => {
  if (missing.length > 0) return ctx.skip(missing.join('; '));
  await syncingProcess(retries);
});

async function syncingProcess(retries: number): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'gapless-sync-'));
  const file = join(folder, 'data');
  const child = spawn(process.execPath, ['-e', PROGRAM, file, String(retries)], { stdio: ['pipe', 'pipe', 'inherit'] });
  try {
    const answer = async () => String((await once(child.stdout, 'data'))[0]).trim();
    expect(await answer()).toBe('open');
    child.stdin.write('.');
    expect(await answer()).toBe('ok');
    const failure = await failSyncs(child.pid!, join(folder, 'log'));
    for (let failures = 0; failures <= retries; failures++) {
      child.stdin.write('.');
      expect(await answer()).toBe('EIO');
    }
    expect(await failure.finished).toEqual({ failed: [file], failures: retries + 1, retries, after: retries, exitStatus: 3 });
  } finally {
    child.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  }
}
