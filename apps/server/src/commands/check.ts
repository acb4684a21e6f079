import { type CheckResult, checkFiles, printCheck, serverLog } from '@gapless/loadtest';

export interface CheckCommandOptions {
  url?: string;
  token?: string;
  json?: boolean;
  foreignWriters?: boolean;
  realTime: boolean;
}

/** Checks client-side histories against the promises of the protocol. Resolves to whether none was broken. */
export async function check(files: readonly string[], { url, token, json, foreignWriters, realTime }: CheckCommandOptions): Promise<boolean> {
  const result: CheckResult = await checkFiles(files, {
    realTime,
    ...(foreignWriters === undefined ? {} : { foreignWriters }),
    ...(url === undefined || token === undefined ? {} : { fetchHistory: (cid) => serverLog({ url, token, cid }) }),
  });
  console.log(json === true ? JSON.stringify(result, null, 2) : printCheck(result));
  return result.ok;
}
