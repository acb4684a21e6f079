/** What strace saw of a process whose fsyncs fail. */
export interface SyncLog {
  /** Files whose sync failed, in order of the first failure. */
  readonly failed: readonly string[];
  /** Failures over all files. */
  readonly failures: number;
  /** Calls on a file after one on the same file had failed: each is a retry, and may hide the loss. */
  readonly retries: number;
  /** Calls on any file that began after the first failure was known. */
  readonly after: number;
  /** The status with which the process ended; absent when it was killed, or still runs. */
  readonly exitStatus?: number;
}

// Loggers sync what they write to, a pipe too: only files count, whose names are paths.
const CALL = /^(\d+)\s+f(?:data)?sync\(\d+<(\/[^>]*)>(.*)$/;
const REST = /^(\d+)\s+<\.\.\. f(?:data)?sync resumed>(.*)$/;
const EXIT = /^(\d+)\s+\+\+\+ exited with (\d+) \+\+\+$/;

/** Reads the output of `strace -f -y`: one line for each call, two when another thread's came in between. */
export function readSyncLog(text: string, pid: number): SyncLog {
  const failed = new Set<string>();
  const open = new Map<string, string>();
  const counts = { failures: 0, retries: 0, after: 0 };
  let exitStatus: number | undefined;
  const outcome = (file: string, rest: string) => {
    if (!rest.includes('= -1 ')) return;
    counts.failures++;
    failed.add(file);
  };
  for (const line of text.split('\n')) {
    const [, thread, file, rest] = CALL.exec(line) ?? [];
    if (file !== undefined) {
      if (failed.size > 0) counts.after++;
      if (failed.has(file)) counts.retries++;
      if (rest!.includes('<unfinished ...>')) open.set(thread!, file);
      else outcome(file, rest!);
      continue;
    }
    const [, resumed, end] = REST.exec(line) ?? [];
    const resuming = resumed === undefined ? undefined : open.get(resumed);
    if (resuming !== undefined) outcome(resuming, end!);
    if (resumed !== undefined) open.delete(resumed);
    const [, ended, status] = EXIT.exec(line) ?? [];
    if (ended !== undefined && Number(ended) === pid) exitStatus = Number(status);
  }
  return { failed: [...failed], ...counts, ...(exitStatus === undefined ? {} : { exitStatus }) };
}
