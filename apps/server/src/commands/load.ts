import { writeFileSync } from 'node:fs';
import {
  failuresOf,
  findMax,
  htmlReport,
  htmlSearch,
  LoadError,
  type LoadOptions,
  parseAddresses,
  printRepeats,
  printResult,
  printSearch,
  printSecond,
  printSelfTest,
  printStep,
  problemOf,
  type Run,
  type RunHooks,
  runLoad,
  type Second,
  selfTest,
  summariseRepeats,
  type Thresholds,
} from '@gapless/loadtest';
import { ConfigError } from '../config.ts';

/** Without a terminal a line is kept, so there are fewer. */
const QUIET_SECONDS = 10;
/** The self-test is of receivers: as many as its question names. */
const SELF_TEST_RECEIVERS = 1_000;

type Timed = 'durationMs' | 'warmUpMs' | 'drainTimeoutMs';
type Switch = 'acks' | 'closedLoop' | 'resumeAtOnce';

export interface LoadFlags
  extends Omit<LoadOptions, Timed | Switch | 'jwtSecret' | 'localAddresses'>,
    Partial<Pick<LoadOptions, Switch>>,
    Thresholds {
  localAddresses?: string;
  duration: number;
  warmUp: number;
  drainTimeout: number;
  jwtSecret?: string;
  repeats: number;
  findMaxP99Ms?: number;
  selfTest?: boolean;
  pid?: number;
  json?: string;
  html?: string;
}

/** Runs one load, or several, prints and keeps what came of it. Resolves to whether it reached its thresholds. */
export async function load(flags: LoadFlags, given: (flag: string) => boolean): Promise<boolean> {
  const { jwtSecret = process.env.GAPLESS_JWT_SECRET, findMaxP99Ms, repeats, selfTest: ownCeiling = false } = flags;
  const options = { ...runOptions(flags), jwtSecret: jwtSecret ?? '' };
  const problem = problemOf(options, { repeats, selfTest: ownCeiling, ...(findMaxP99Ms === undefined ? {} : { findMaxP99Ms }) });
  if (problem !== undefined) throw new ConfigError(problem);
  if (ownCeiling) return testSelf({ ...options, clients: given('clients') ? options.clients : SELF_TEST_RECEIVERS }, flags);
  if (jwtSecret === undefined) throw new ConfigError('--jwt-secret: needed, to make the tokens of the clients (GAPLESS_JWT_SECRET)');
  if (findMaxP99Ms !== undefined) return search(options, flags, findMaxP99Ms);
  const runs: Run[] = [];
  for (let n = 1; n <= repeats; n++) {
    if (repeats > 1) console.error(`run ${n} of ${repeats}`);
    const run = await once(options, flags);
    runs.push(run);
    console.log(printResult(run.result, run.failures));
  }
  return conclude(runs, flags);
}

function conclude(runs: readonly Run[], { json, html }: LoadFlags): boolean {
  const failures = runs.map((run) => run.failures);
  const repeated = runs.length === 1 ? undefined : summariseRepeats(runs.map(({ result }) => result));
  if (repeated !== undefined) console.log(`\n${printRepeats(repeated, failures)}`);
  keep(json, repeated === undefined ? { ...runs[0]!.result, failures: failures[0] } : { ...repeated, failures });
  if (html !== undefined) writeFileSync(html, htmlReport(runs, repeated));
  return failures.every((list) => list.length === 0);
}

/** Each step is a run at another interval, and holds when it meets the limit and all else that a run must. */
async function search(options: LoadOptions, flags: LoadFlags, limitMs: number): Promise<boolean> {
  const first = (options.clients / options.msgIntervalMs) * 1_000;
  const found = await findMax<Run>(first, async (ratePerSec) => {
    console.error(`${ratePerSec.toFixed(0)} messages/s`);
    const msgIntervalMs = (options.clients / ratePerSec) * 1_000;
    const run = await once({ ...options, msgIntervalMs }, { ...flags, failP99Ms: limitMs });
    return { held: run.failures.length === 0, outcome: run };
  });
  console.log(printSearch(found, limitMs));
  keep(flags.json, { limitMs, ...found });
  if (flags.html !== undefined) writeFileSync(flags.html, htmlSearch(found, limitMs));
  return found.bestPerSec !== undefined;
}

async function testSelf(options: LoadOptions, { json }: LoadFlags): Promise<boolean> {
  const result = await selfTest(options, { onStep: (step) => console.error(printStep(step)) });
  console.log(printSelfTest(result));
  keep(json, result);
  return true;
}

async function once(options: LoadOptions, flags: LoadFlags): Promise<Run> {
  const result = await runLoad(options, hooks(flags)).catch((error: Error) => {
    throw error instanceof LoadError || error.message !== 'fetch failed'
      ? error
      : new LoadError(`${options.urls.join(', ')}: ${(error.cause as Error).message}`);
  });
  return { result, failures: failuresOf(result, flags) };
}

function hooks({ pid }: LoadFlags): RunHooks {
  const every = process.stderr.isTTY ? 1 : QUIET_SECONDS;
  const onSecond = (second: Second) => second.second % every === 0 && console.error(printSecond(second));
  return { ...(pid === undefined ? {} : { pid }), onSecond, onPhase: (text) => console.error(text) };
}

function keep(file: string | undefined, result: object): void {
  if (file !== undefined) writeFileSync(file, `${JSON.stringify(result, null, 2)}\n`);
}

/** Only what a run takes: the rest of the flags stays out of the result. */
function runOptions(flags: LoadFlags): Omit<LoadOptions, 'jwtSecret'> {
  const { mode, clients, connectRate, msgIntervalMs, sendModel, closedLoop = false, bodyBytes, groupSize, senders, history } = flags;
  const { slowConsumerPct, slowConsumerDelayMs, noReadPct, flapPct, steadyPct, resumeAtOnce = false, acks = false, workers } = flags;
  return {
    urls: flags.urls.map((url) => url.trim().replace(/\/$/, '')),
    ...localAddressesOf(flags),
    durationMs: flags.duration * 1_000,
    warmUpMs: flags.warmUp * 1_000,
    drainTimeoutMs: flags.drainTimeout * 1_000,
    ...{ mode, clients, connectRate, msgIntervalMs, sendModel, closedLoop, bodyBytes, groupSize, senders },
    ...{ slowConsumerPct, slowConsumerDelayMs, noReadPct, flapPct, steadyPct, resumeAtOnce, acks, workers },
    ...(history === undefined ? {} : { history }),
  };
}

function localAddressesOf({ localAddresses: text }: LoadFlags): Pick<LoadOptions, 'localAddresses'> {
  if (text === undefined) return {};
  const localAddresses = parseAddresses(text);
  if (localAddresses === undefined) throw new ConfigError(`--local-addresses: "${text}" is no IPv4 address, list or range`);
  return { localAddresses };
}
