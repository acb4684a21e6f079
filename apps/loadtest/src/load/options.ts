export const MODES = ['single_e2e', 'group', 'ping', 'connect', 'resume'] as const;
export const SEND_MODELS = ['spread', 'burst'] as const;

/** One run. Percentages are of the clients. */
export interface LoadOptions {
  readonly urls: readonly string[];
  readonly mode: (typeof MODES)[number];
  readonly clients: number;
  readonly durationMs: number;
  /** From the start; sent but not measured. */
  readonly warmUpMs: number;
  readonly msgIntervalMs: number;
  readonly sendModel: (typeof SEND_MODELS)[number];
  /** Wait for the answer before the next message: hides stalls, for comparison only. */
  readonly closedLoop: boolean;
  readonly bodyBytes: number;
  readonly groupSize: number;
  readonly slowConsumerPct: number;
  readonly slowConsumerDelayMs: number;
  readonly noReadPct: number;
  readonly flapPct: number;
  readonly workers: number;
  readonly jwtSecret: string;
  /** Folder for NDJSON histories; every frame is parsed then. */
  readonly history?: string;
}

/** Client of a worker. */
export interface ClientPlan {
  readonly index: number;
  readonly user: string;
  readonly cid: string;
  readonly url: string;
  readonly sends: boolean;
  readonly slow: boolean;
  readonly noRead: boolean;
  readonly flaps: boolean;
}
