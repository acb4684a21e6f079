export const MODES = ['single_e2e', 'group', 'ping', 'connect', 'resume'] as const;
export const SEND_MODELS = ['spread', 'burst'] as const;

/** One run. Percentages are of the clients. */
export interface LoadOptions {
  /** Origins of the nodes. Client i starts at node i mod n, and goes to the next in turn whenever it lost its own. */
  readonly urls: readonly string[];
  /** Source addresses of the connections, in turn; the system chooses when absent. */
  readonly localAddresses?: readonly string[];
  readonly mode: (typeof MODES)[number];
  readonly clients: number;
  /** Connections opened per second; 0: as fast as they are answered. */
  readonly connectRate: number;
  readonly durationMs: number;
  /** From the start; sent but not measured. */
  readonly warmUpMs: number;
  /** How long everything may take to arrive when sending is over. */
  readonly drainTimeoutMs: number;
  readonly msgIntervalMs: number;
  readonly sendModel: (typeof SEND_MODELS)[number];
  /** Wait for the answer before the next message: hides stalls, for comparison only. */
  readonly closedLoop: boolean;
  readonly bodyBytes: number;
  readonly groupSize: number;
  /** Of each conversation so many send, its first; 0: all. */
  readonly senders: number;
  readonly slowConsumerPct: number;
  readonly slowConsumerDelayMs: number;
  readonly noReadPct: number;
  readonly flapPct: number;
  /** Mode resume: stay connected while all others are cut off. */
  readonly steadyPct: number;
  /** Mode resume: return without the wait that the protocol asks for. */
  readonly resumeAtOnce: boolean;
  /** Acknowledge and read what was received, once a second. */
  readonly acks: boolean;
  /** Threads of the generator; more, and processes, where one process may not open that many connections. */
  readonly workers: number;
  readonly jwtSecret: string;
  /** Folder for NDJSON histories; every message is checked in full then. */
  readonly history?: string;
}

export const DEFAULTS = {
  urls: ['http://127.0.0.1:9001'],
  mode: 'single_e2e',
  clients: 100,
  connectRate: 0,
  durationMs: 10_000,
  warmUpMs: 0,
  drainTimeoutMs: 60_000,
  msgIntervalMs: 1_000,
  sendModel: 'spread',
  closedLoop: false,
  bodyBytes: 128,
  groupSize: 100,
  senders: 0,
  slowConsumerPct: 0,
  slowConsumerDelayMs: 100,
  noReadPct: 0,
  flapPct: 0,
  steadyPct: 10,
  resumeAtOnce: false,
  acks: false,
  workers: 1,
} as const satisfies Omit<LoadOptions, 'jwtSecret'>;

/** What a client does wrong, or `fast`: nothing. */
export type Role = 'fast' | 'slow' | 'noRead' | 'flaps';

/** It does not read as it should: what it sees says nothing of the server. */
export function dawdles(role: Role): boolean {
  return role === 'slow' || role === 'noRead';
}

/** Client of a worker. */
export interface ClientPlan {
  readonly index: number;
  readonly user: string;
  readonly cid: string;
  /** Where it starts: index in the urls. */
  readonly node: number;
  readonly localAddress?: string;
  readonly sends: boolean;
  readonly role: Role;
  readonly steady: boolean;
}
