import { globSync, renameSync, writeFileSync } from 'node:fs';
import { run } from './tools.ts';

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
  if (library === undefined) throw new Error(missingClock()[0]);
  const shift = (seconds: number) => {
    // At once and whole: it may be read at any moment.
    writeFileSync(`${file}.new`, `${seconds < 0 ? '' : '+'}${seconds}`);
    renameSync(`${file}.new`, file);
  };
  shift(0);
  return { env: { LD_PRELOAD: library, FAKETIME_TIMESTAMP_FILE: file, FAKETIME_NO_CACHE: '1', DONT_FAKE_MONOTONIC: '1' }, shift };
}

export function missingClock(): string[] {
  return globSync(LIBRARY).length > 0 ? [] : ['the library libfaketime (Debian package libfaketime)'];
}

/** How far the wall clock of a fresh process is off: whether this Node can be deceived at all. Its start is part of it. */
export function measuredShiftMs({ env }: ShiftedClock): number {
  const settings = Object.entries(env).map(([name, value]) => `${name}=${value}`);
  return Number(run('env', ...settings, process.execPath, '-p', 'Date.now()')) - Date.now();
}
