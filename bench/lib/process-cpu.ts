import { readFileSync } from 'node:fs';

const TICKS_PER_SEC = 100;

/** CPU seconds of a process so far, threads included. */
export function cpuSecOf(pid: number): number {
  // The name, in brackets, may contain anything.
  const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = text.slice(text.lastIndexOf(') ') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SEC;
}
