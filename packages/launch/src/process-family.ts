import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';

const TICKS_PER_SEC = 100;
const hasProc = existsSync('/proc/self/stat');

/** A process and those it started, the parent first. */
export function familyOf(pid: number): number[] {
  const children = processes()
    .filter((one) => one.parent === pid)
    .map((one) => one.pid);
  return [pid, ...children];
}

/** Signals a process and those it started. Returns whom it signalled. */
export function signalFamily(pid: number, signal: NodeJS.Signals): number[] {
  // The parent stands still first, so that it starts no more of them meanwhile.
  signalOne(pid, 'SIGSTOP');
  const members = familyOf(pid);
  for (const member of members) signalOne(member, signal);
  return members;
}

function signalOne(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // Ended meanwhile.
  }
}

/** Whether it runs: one that ended and waits for its parent to hear of it does not. */
export function runs(pid: number): boolean {
  try {
    return hasProc ? statOf(pid).state !== 'Z' : process.kill(pid, 0);
  } catch {
    return false;
  }
}

/** CPU seconds of a process so far and of those it started, also of those that ended. Linux only. */
export function familyCpuSec(pid: number): number {
  let ticks = 0;
  for (const member of familyOf(pid)) {
    try {
      const { own, ofEnded } = statOf(member);
      ticks += member === pid ? own + ofEnded : own;
    } catch (error) {
      if (member === pid) throw error;
    }
  }
  return ticks / TICKS_PER_SEC;
}

function processes(): { pid: number; parent: number }[] {
  if (!hasProc) {
    const lines = execFileSync('ps', ['-A', '-o', 'pid=,ppid='], { encoding: 'utf8' }).trim().split('\n');
    return lines.map((line) => line.trim().split(/\s+/).map(Number)).map(([pid, parent]) => ({ pid: pid!, parent: parent! }));
  }
  return readdirSync('/proc')
    .map(Number)
    .filter(Number.isInteger)
    .flatMap((pid) => {
      try {
        return [{ pid, parent: statOf(pid).parent }];
      } catch {
        return []; // Ended meanwhile.
      }
    });
}

function statOf(pid: number): { state: string; parent: number; own: number; ofEnded: number } {
  const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // The name, in brackets, may contain anything.
  const fields = text.slice(text.lastIndexOf(') ') + 2).split(' ');
  const number = (at: number) => Number(fields[at]);
  return { state: fields[0]!, parent: number(1), own: number(11) + number(12), ofEnded: number(13) + number(14) };
}
