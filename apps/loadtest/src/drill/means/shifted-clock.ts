import { execFileSync } from 'node:child_process';
import { globSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { missingAbility } from './tools.ts';

/** The wall clock of processes that were started with `env`. Their monotonic clock, by which timers go, is left alone. */
export interface ShiftedClock {
  readonly env: Readonly<Record<string, string>>;
  /** Against the machine's clock; they see it with their next look. */
  shift(seconds: number): void;
}

const LIBRARY = '/usr/lib/*/faketime/libfaketimeMT.so.1';

/** `file` says how far it is off. @throws Error when the library is not there; see `missingClock` */
export function openShiftedClock(file: string): ShiftedClock {
  const library = globSync(LIBRARY)[0];
  if (library === undefined) throw new Error('libfaketime is not there');
  const shift = (seconds: number) => {
    // At once and whole: it may be read at any moment.
    writeFileSync(`${file}.new`, `${seconds < 0 ? '' : '+'}${seconds}`);
    renameSync(`${file}.new`, file);
  };
  shift(0);
  return { env: { LD_PRELOAD: library, FAKETIME_TIMESTAMP_FILE: file, FAKETIME_NO_CACHE: '1', DONT_FAKE_MONOTONIC: '1' }, shift };
}

export function missingClock(): string[] {
  if (globSync(LIBRARY).length === 0) return ['the library libfaketime (Debian package libfaketime)'];
  return missingAbility('a wall clock that can be shifted for a Node.js process', tryShift);
}

function tryShift(): void {
  const folder = mkdtempSync(join(tmpdir(), 'gapless-clock-'));
  try {
    const clock = openShiftedClock(join(folder, 'shift'));
    clock.shift(-3_600);
    const ms = measuredShiftMs(clock);
    if (Math.abs(ms + 3_600_000) > 60_000) throw new Error(`told to be off by -3600000 ms, it is off by ${ms} ms`);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** How far the wall clock of a fresh process is off; its start is part of it. */
export function measuredShiftMs({ env }: ShiftedClock): number {
  const seen = execFileSync(process.execPath, ['-p', 'Date.now()'], { env: { ...process.env, ...env }, encoding: 'utf8' });
  return Number(seen) - Date.now();
}
