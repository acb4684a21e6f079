/** Something is broken on purpose while clients work; afterwards what they saw is held against the promises. */
export interface Drill {
  /** As on the command line: `db-outage`. */
  readonly name: string;
  /** One line: what is broken, and what must hold. */
  readonly what: string;
  /** Why it cannot run on this machine or with these options, undefined when it can. May install what npm or Maven brings. */
  missing(options: Pick<DrillOptions, 'twoPhase'>): Promise<string | undefined>;
  /** Rejects only when it could not be carried out; a broken promise is a result. */
  run(context: DrillContext): Promise<DrillResult>;
}

export interface DrillOptions {
  /** How long clients send, without what the fault itself takes. */
  readonly durationSec: number;
  readonly clients: number;
  /** Messages of all clients together, by the clock. */
  readonly ratePerSec: number;
  /** Decides who sends when. */
  readonly seed: number;
  readonly twoPhase: 'off' | 'on';
  /** Histories and logs stay. */
  readonly keep: boolean;
}

export interface DrillContext {
  /** What goes on, for people. */
  log(line: string): void;
  readonly options: DrillOptions;
  /** A folder for histories and logs; deleted at the end unless they are kept. */
  readonly dir: string;
  /** The command line of `gapless`, to start nodes with. */
  readonly program: readonly string[];
  /** Called when the drill ends, however it ends, Ctrl-C included; the last one first. */
  onCleanup(task: () => unknown): void;
}

export interface DrillResult {
  /** Messages with an ack; with one that said `accepted`; with one that said `saved`. */
  readonly acked: number;
  readonly accepted: number;
  readonly saved: number;
  /** Acked as saved, and not in the final history. */
  readonly lost: number;
  /** Acked as accepted only, and lost; and of these, those whose sender was told. */
  readonly acceptedLost: number;
  readonly acceptedLostReported: number;
  readonly duplicated: number;
  readonly reordered: number;
  readonly gaps: number;
  /** From the healing to the first ack after it. */
  readonly recoverMs: number;
  /** From the healing until all that waited then was acked. */
  readonly drainMs: number;
  /** The longest time without any ack while clients sent. */
  readonly longestStallMs: number;
  /** One line each: which promise was broken, and where. */
  readonly anomalies: readonly string[];
  /** What else is worth knowing. */
  readonly notes: readonly string[];
  /** No promise was broken. */
  readonly ok: boolean;
}
