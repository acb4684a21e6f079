import { parseArgs } from 'node:util';

/** Of the part `two-phase`; the other parts have none but `quick`. */
export interface Options {
  readonly clients: number;
  readonly seconds: number;
  readonly repeats: number;
  readonly intervalMs: number;
  /** How much longer each commit takes in the second half; 0: there is none. */
  readonly slowCommitMs: number;
  readonly sendModel: 'spread' | 'burst';
}

const FULL: Options = { clients: 5_000, seconds: 60, repeats: 3, intervalMs: 3_000, slowCommitMs: 50, sendModel: 'spread' };
const QUICK: Options = { ...FULL, clients: 200, seconds: 6, repeats: 1 };

export interface CommandLine {
  /** Name of a part, or how it begins; empty for all. */
  readonly wanted: string;
  readonly quick: boolean;
  readonly options: Options;
}

/** @throws Error a flag that is not known, or its value is none */
export function readCommandLine(args: readonly string[]): CommandLine {
  const number = { type: 'string' } as const;
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      quick: { type: 'boolean', default: false },
      ...{ clients: number, seconds: number, repeats: number, interval: number, 'slow-commit': number, 'send-model': number },
    },
  });
  const defaults = values.quick ? QUICK : FULL;
  const given = (name: 'clients' | 'seconds' | 'repeats' | 'interval' | 'slow-commit', otherwise: number) => {
    const value = Number(values[name] ?? otherwise);
    if (!Number.isInteger(value) || value < 0) throw new Error(`--${name}: "${values[name]}" is no number`);
    return value;
  };
  const { 'send-model': sendModel = defaults.sendModel } = values;
  if (sendModel !== 'spread' && sendModel !== 'burst') throw new Error(`--send-model: spread or burst, not "${sendModel}"`);
  return {
    wanted: positionals.join('-'),
    quick: values.quick,
    options: {
      clients: given('clients', defaults.clients),
      seconds: given('seconds', defaults.seconds),
      repeats: given('repeats', defaults.repeats),
      intervalMs: given('interval', defaults.intervalMs),
      slowCommitMs: given('slow-commit', defaults.slowCommitMs),
      sendModel,
    },
  };
}

/** Everyone has sent once by then: the first message of a conversation waits for the database, which is not what is compared. */
export function warmUpSecOf({ intervalMs }: Options): number {
  return Math.ceil(intervalMs / 1_000) + 2;
}
