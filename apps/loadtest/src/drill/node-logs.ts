import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** What stands out in the logs of nodes, a line each: what they logged as errors, and stack traces that no logger wrote. */
export function remarksOfNodes(dir: string): string[] {
  return globSync('node-*.log', { cwd: dir })
    .sort()
    .flatMap((file) => remarksIn(readFileSync(join(dir, file), 'utf8')).map((remark) => `${file}: ${remark}`));
}

/** Not all are faults: something was broken on purpose. */
export function remarksIn(log: string): string[] {
  const errors = log.match(/^\{.*"level":[56]0.*\}$/gm) ?? [];
  const counts = Map.groupBy([...errors.map(saidIn), ...tracesIn(log)], (said) => said);
  return [...counts].map(([said, all]) => `${all.length} times ${said}`);
}

function saidIn(line: string): string {
  try {
    const { msg, err } = JSON.parse(line) as { msg?: string; err?: { message?: string } };
    return `"${msg}"${err?.message === undefined ? '' : ` (${err.message})`}`;
  } catch {
    return 'something, and was killed over it';
  }
}

/** By the line above the first `at`: the error. Traces of a logger stand within one line. */
function tracesIn(log: string): string[] {
  return [...log.matchAll(/^(?![ \t]+at )(.*)\n[ \t]+at /gm)].map(([, error]) => `a stack trace: ${error}`);
}
