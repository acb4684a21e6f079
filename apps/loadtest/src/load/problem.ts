import { SOCKETS_PER_ADDRESS } from './addresses.ts';
import { DEFAULTS, type LoadOptions } from './options.ts';

/** `{"text":""}`, and what the protocol allows. */
const BODY_MIN_BYTES = 11;
const BODY_MAX_BYTES = 16_384;

export interface Kind {
  readonly repeats: number;
  readonly findMaxP99Ms?: number;
  readonly selfTest: boolean;
}

type Name = keyof typeof DEFAULTS;

/** What is wrong with the options, in one line that names the flag; undefined when a run may start. */
export function problemOf(options: Omit<LoadOptions, 'jwtSecret'>, kind: Kind): string | undefined {
  return wrongNumber(options, kind) ?? wrongTogether(options, kind);
}

function wrongNumber(options: Omit<LoadOptions, 'jwtSecret'>, { repeats, findMaxP99Ms }: Kind): string | undefined {
  const whole = { clients: options.clients, workers: options.workers, groupSize: options.groupSize, repeats };
  for (const [name, value] of Object.entries(whole))
    if (!Number.isInteger(value) || value < 1) return `${flagOf(name)}: a whole number from 1`;
  if (!Number.isInteger(options.senders)) return '--senders: a whole number';
  if (options.durationMs <= 0) return '--duration: more than 0';
  if (options.msgIntervalMs <= 0) return '--msg-interval-ms: more than 0';
  if (options.warmUpMs >= options.durationMs) return '--warm-up: shorter than --duration, or nothing is measured';
  if (options.bodyBytes < BODY_MIN_BYTES || options.bodyBytes > BODY_MAX_BYTES)
    return `--body-bytes: ${BODY_MIN_BYTES} to ${BODY_MAX_BYTES}`;
  const { slowConsumerPct, noReadPct, flapPct, steadyPct } = options;
  if (slowConsumerPct + noReadPct + flapPct > 100) return '--slow-consumer-pct, --no-read-pct and --flap-pct: at most 100 together';
  if (steadyPct > 99) return '--steady-pct: at most 99, or nobody returns';
  if (findMaxP99Ms !== undefined && findMaxP99Ms <= 0) return '--find-max-p99-ms: more than 0';
  for (const url of options.urls) if (!URL.canParse(url) || !/^http:/.test(url)) return `--urls: "${url}" is no http origin`;
  const { localAddresses, clients } = options;
  if (localAddresses !== undefined && clients > localAddresses.length * SOCKETS_PER_ADDRESS)
    return `--local-addresses: ${clients} clients take ${Math.ceil(clients / SOCKETS_PER_ADDRESS)} of them`;
  return undefined;
}

function wrongTogether(options: Omit<LoadOptions, 'jwtSecret'>, { repeats, findMaxP99Ms, selfTest }: Kind): string | undefined {
  const { mode, clients, closedLoop } = options;
  const changed = (...names: Name[]) => names.find((name) => options[name] !== DEFAULTS[name]);
  const troubles = ['slowConsumerPct', 'noReadPct', 'flapPct'] as const;
  if (selfTest) {
    const other = changed('mode', 'closedLoop', 'acks', ...troubles);
    if (other !== undefined || repeats > 1 || findMaxP99Ms !== undefined || options.history !== undefined)
      return `--self-test: it has no server; leave out ${flagOf(other ?? 'other runs')}`;
    return undefined;
  }
  if (mode === 'single_e2e' && clients % 2 !== 0) return '--clients: an even number in mode single_e2e, it makes pairs';
  const onlyResume = mode === 'resume' ? undefined : changed('steadyPct', 'resumeAtOnce');
  if (onlyResume !== undefined) return `${flagOf(onlyResume)}: only in mode resume`;
  if (mode !== 'group' && mode !== 'resume' && changed('groupSize', 'senders') !== undefined)
    return '--group-size, --senders: only in the modes group and resume';
  if (mode === 'ping' || mode === 'connect') {
    const without = changed(...troubles, 'acks') ?? (options.history === undefined ? undefined : 'history');
    if (without !== undefined) return `${flagOf(without)}: not in mode ${mode}, where no message is sent`;
    if (mode === 'connect' && changed('closedLoop', 'connectRate') !== undefined)
      return '--closed-loop, --connect-rate: not in mode connect, where --duration spreads the connections';
  }
  if (findMaxP99Ms !== undefined && (closedLoop || repeats > 1 || (mode !== 'group' && mode !== 'single_e2e')))
    return '--find-max-p99-ms: in the open loop, in mode single_e2e or group, without --repeats';
  return undefined;
}

function flagOf(name: string): string {
  if (name === 'other runs') return '--history, --repeats and --find-max-p99-ms';
  return `--${name.replace(/Ms$/, name.startsWith('slow') || name.startsWith('msg') ? '-ms' : '').replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}
