import { checkFiles, printCheck, serverLog, signToken } from '@gapless/loadtest';
import { ConfigError } from '../config.ts';

export interface CheckCommandOptions {
  url?: string;
  token?: string;
  jwtSecret?: string;
  json?: boolean;
  foreignWriters?: boolean;
  realTime: boolean;
}

/** Checks client-side histories against the promises of the protocol. Resolves to whether none was broken. */
export async function check(files: readonly string[], options: CheckCommandOptions): Promise<boolean> {
  const { realTime, foreignWriters, json } = options;
  const result = await checkFiles(files, {
    realTime,
    ...(foreignWriters === undefined ? {} : { foreignWriters }),
    ...(options.url === undefined ? {} : { fetchHistory: reader(options.url, options) }),
  });
  console.log(json === true ? JSON.stringify(result, null, 2) : printCheck(result));
  return result.ok;
}

function reader(url: string, { token, jwtSecret = process.env.GAPLESS_JWT_SECRET }: CheckCommandOptions) {
  if (token !== undefined) return (cid: string) => serverLog({ url, token, cid });
  if (jwtSecret === undefined) throw new ConfigError('--url needs --token or --jwt-secret');
  return (cid: string, user: string) => serverLog({ url, token: signToken(jwtSecret, user), cid });
}
