import { writeFileSync } from 'node:fs';
import { failuresOf, htmlReport, LoadError, type LoadOptions, printResult, printSecond, runLoad, type Thresholds } from '@gapless/loadtest';
import { ConfigError } from '../config.ts';

export interface LoadCommandOptions extends Omit<LoadOptions, 'durationMs' | 'warmUpMs' | 'jwtSecret' | 'urls'>, Thresholds {
  urls: string;
  duration: number;
  warmUp: number;
  jwtSecret?: string;
  pid?: number;
  json?: string;
  html?: string;
}

/** Runs a load, prints and keeps its result. Resolves to whether it reached its thresholds. */
export async function load(flags: LoadCommandOptions): Promise<boolean> {
  const { pid, json, html, duration, warmUp, urls, jwtSecret = process.env.GAPLESS_JWT_SECRET } = flags;
  if (jwtSecret === undefined) throw new ConfigError('--jwt-secret: needed, to make the tokens of the clients (GAPLESS_JWT_SECRET)');
  const options = { ...flags, urls: urls.split(','), durationMs: duration * 1_000, warmUpMs: warmUp * 1_000, jwtSecret };
  const result = await runLoad(runOptions(options), {
    ...(pid === undefined ? {} : { pid }),
    ...(process.stderr.isTTY ? { onSecond: (second) => console.error(printSecond(second)) } : {}),
  }).catch((error: Error) => {
    throw error instanceof LoadError || error.message !== 'fetch failed'
      ? error
      : new LoadError(`${urls}: ${(error.cause as Error).message}`);
  });
  const failures = failuresOf(result, flags);
  console.log(printResult(result, failures));
  if (json !== undefined) writeFileSync(json, `${JSON.stringify({ ...result, failures }, null, 2)}\n`);
  if (html !== undefined) writeFileSync(html, htmlReport(result, failures));
  return failures.length === 0;
}

/** Only what a run takes: the rest of the flags stays out of the result. */
function runOptions(all: LoadOptions): LoadOptions {
  const { urls, mode, clients, durationMs, warmUpMs, msgIntervalMs, sendModel, closedLoop, bodyBytes, groupSize } = all;
  const { slowConsumerPct, slowConsumerDelayMs, noReadPct, flapPct, workers, jwtSecret, history } = all;
  return {
    ...{ urls, mode, clients, durationMs, warmUpMs, msgIntervalMs, sendModel, closedLoop, bodyBytes, groupSize },
    ...{ slowConsumerPct, slowConsumerDelayMs, noReadPct, flapPct, workers, jwtSecret },
    ...(history === undefined ? {} : { history }),
  };
}
