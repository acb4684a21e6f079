import type { HistoryWriter } from './history-writer.ts';
import { tagOf } from './mid.ts';
import { NodeTurns } from './nodes.ts';
import type { LoadOptions, Role } from './options.ts';
import { Scanned } from './scanner.ts';
import { type Counts, createCounts, createHistograms, type Histograms, type Latency } from './stats.ts';
import { Window } from './window.ts';

/** What the clients of one worker share. */
export class LoadContext {
  readonly run: string;
  /** Of its mids; see mid.ts. */
  readonly tag: string;
  readonly tagBytes: Uint8Array;
  readonly options: LoadOptions;
  readonly history: HistoryWriter | undefined;
  readonly histograms: Histograms = createHistograms();
  readonly window = new Window();
  readonly nodes: NodeTurns;
  readonly counts: Counts = createCounts();
  readonly scanned = new Scanned();
  /** By code; also `closed 4409` and the like. */
  readonly errors = new Map<string, number>();
  /** Connections that the server ended, as `4409 slow`. */
  readonly kicks = new Map<string, number>();
  /** The largest seq acknowledged in each conversation. */
  readonly heads = new Map<string, number>();
  /** Numbers that the server took back, as `cid seq`. */
  readonly lost = new Set<string>();
  /** Nothing intended before is measured. */
  measureFromUs = 0;
  /** Mode resume: from the cut until the last one was back. */
  #stormFromUs = Number.POSITIVE_INFINITY;
  #stormToUs = Number.POSITIVE_INFINITY;
  /** Sending is over: nobody dawdles, everyone reads. */
  draining = false;

  constructor(run: string, options: LoadOptions, history?: HistoryWriter) {
    this.run = run;
    this.tag = tagOf(run);
    this.tagBytes = Buffer.from(this.tag);
    this.options = options;
    this.nodes = new NodeTurns(options.urls.length);
    this.history = history;
  }

  record(name: Latency, intendedUs: number, atUs: number): void {
    if (intendedUs >= this.measureFromUs) this.histograms[name].record(atUs - intendedUs);
  }

  /** It goes on now. */
  get storm(): boolean {
    return this.#stormFromUs !== Number.POSITIVE_INFINITY && this.#stormToUs === Number.POSITIVE_INFINITY;
  }

  stormBegins(atUs: number): void {
    this.#stormFromUs = atUs;
  }

  /** The first end counts. */
  stormEnds(atUs: number): void {
    this.#stormToUs = Math.min(this.#stormToUs, atUs);
  }

  /** By when it was to be sent: what comes late because of the storm is of the storm, whenever it comes. */
  inStorm(intendedUs: number): boolean {
    return intendedUs >= this.#stormFromUs && intendedUs <= this.#stormToUs;
  }

  error(code: string): void {
    add(this.errors, code);
  }

  kicked(code: number | 'goaway', role: Role): void {
    add(this.kicks, `${code} ${role}`);
  }
}

function add(counts: Map<string, number>, name: string): void {
  counts.set(name, (counts.get(name) ?? 0) + 1);
}
