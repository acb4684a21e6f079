import { readdirSync, readFileSync } from 'node:fs';

const TICKS_PER_SEC = 100;

/** CPU seconds of a process so far, threads included. */
export function cpuSecOf(pid: number): number {
  const { ticks } = statOf(pid);
  return ticks / TICKS_PER_SEC;
}

/** The same of a process and the processes it started. Those that ended are left out: take it while they run. */
export function familyCpuSec(pid: number): number {
  let ticks = statOf(pid).ticks;
  for (const other of readdirSync('/proc').map(Number).filter(Number.isInteger)) {
    try {
      const stat = statOf(other);
      if (stat.parent === pid) ticks += stat.ticks;
    } catch {
      // Ended meanwhile.
    }
  }
  return ticks / TICKS_PER_SEC;
}

function statOf(pid: number): { parent: number; ticks: number } {
  // The name, in brackets, may contain anything.
  const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = text.slice(text.lastIndexOf(') ') + 2).split(' ');
  return { parent: Number(fields[1]), ticks: Number(fields[11]) + Number(fields[12]) };
}
