import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

const TICKS_PER_SEC = 100;
const LISTEN = '0A';

/** CPU and memory of a local process, out of /proc. */
export class ServerProcess {
  readonly #pid: number;
  #ticks: number;
  #at = performance.now();

  constructor(pid: number) {
    this.#pid = pid;
    this.#ticks = ticksOf(pid);
  }

  /** CPU since the last call, 100 for one whole core, and memory now; undefined when the process is gone. */
  sample(): { cpuPct: number; rssMiB: number } | undefined {
    try {
      const [ticks, at] = [ticksOf(this.#pid), performance.now()];
      const cpuPct = ((ticks - this.#ticks) / TICKS_PER_SEC / ((at - this.#at) / 1_000)) * 100;
      this.#ticks = ticks;
      this.#at = at;
      return { cpuPct, rssMiB: Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${this.#pid}/status`, 'utf8'))?.[1] ?? 0) / 1_024 };
    } catch {
      return undefined;
    }
  }
}

/** The process of this machine that listens on the port of `url`; undefined when it is elsewhere, hidden, or this is no Linux. */
export function findServer(url: string): number | undefined {
  const { hostname, port } = new URL(url);
  if (!/^(127\.|localhost|\[::1\])/.test(hostname)) return undefined;
  try {
    const inode = inodeOf(Number(port === '' ? 80 : port));
    return inode === undefined ? undefined : pids().find((pid) => holds(pid, `socket:[${inode}]`));
  } catch {
    return undefined;
  }
}

function inodeOf(port: number): string | undefined {
  const hex = port.toString(16).toUpperCase().padStart(4, '0');
  for (const table of ['/proc/net/tcp', '/proc/net/tcp6']) {
    for (const line of readFileSync(table, 'utf8').split('\n').slice(1)) {
      const fields = line.trim().split(/\s+/);
      if (fields[1]?.endsWith(`:${hex}`) && fields[3] === LISTEN) return fields[9];
    }
  }
  return undefined;
}

function pids(): number[] {
  return readdirSync('/proc').map(Number).filter(Number.isInteger);
}

function holds(pid: number, socket: string): boolean {
  try {
    return readdirSync(`/proc/${pid}/fd`).some((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`) === socket);
  } catch {
    return false;
  }
}

function ticksOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ');
  return Number(fields[11]) + Number(fields[12]);
}
