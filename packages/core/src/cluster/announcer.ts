import type { Committed } from '../events.ts';
import type { Broker, Topic } from '../ports/broker.ts';
import type { Log } from '../ports/log.ts';
import { type Content, encodeAnnouncement, partsOf } from './announcement.ts';
import type { ClusterMetrics } from './metrics.ts';

/** All nodes listen to it. */
export const ANNOUNCEMENTS: Topic = { kind: 'cluster', name: 'announcements' };

/** Kept for nodes that ask again: some seconds of a busy node. Who needs older ones reads the store. */
const KEPT_MAX_BYTES = 16 * 1024 * 1024;

/** Larger ones make whoever comes behind them wait. */
const PAYLOAD_MAX_BYTES = 256 * 1024;

export interface AnnouncerDeps {
  node: string;
  broker: Broker;
  log: Log;
  metrics: ClusterMetrics;
}

/** Tells the other nodes what happened here: numbered, and kept for a while for those who missed it. */
export class Announcer {
  readonly #deps: AnnouncerDeps;
  #n = 0;
  /** By number, ascending. */
  readonly #kept = new Map<number, string>();
  #keptBytes = 0;
  /** Of this turn, not told yet. */
  #committed: Committed[] = [];

  constructor(deps: AnnouncerDeps) {
    this.#deps = deps;
  }

  /**
   * Numbered: it reaches every node that lives, by a second telling if need be. What is committed in one turn, as by one answer of the accept
   * log, is told together a microtask later: hearing costs each node more than what is heard.
   */
  committed(committed: Committed): void {
    this.#committed.push(committed);
    if (this.#committed.length === 1) queueMicrotask(() => this.#flushSafely());
  }

  /** Numbered, behind all that was committed. */
  announce(content: Omit<Content, 'committed'>): void {
    this.#flush();
    this.#publish(content);
  }

  /** Not numbered: what is lost is lost. Also without content, so that the others know the number of the last one. */
  mention(content: Omit<Content, 'committed'> = {}): Promise<void> {
    this.#flush();
    const { node, broker } = this.#deps;
    return broker.publish(ANNOUNCEMENTS, encodeAnnouncement({ node, n: this.#n, numbered: false }, content));
  }

  /** What was announced under that number; undefined when it is no longer kept. */
  kept(n: number): string | undefined {
    return this.#kept.get(n);
  }

  /** Nobody is there to hear of a failure. */
  #flushSafely(): void {
    try {
      this.#flush();
    } catch (error) {
      this.#deps.log.error({ err: error }, 'what was committed was not announced');
      // The others miss a number, ask for it in vain, and read the store.
      this.#n++;
    }
  }

  #flush(): void {
    const committed = this.#committed;
    if (committed.length === 0) return;
    this.#committed = [];
    const maxBytes = Math.min(PAYLOAD_MAX_BYTES, this.#deps.broker.capabilities.payloadMaxBytes / 2);
    for (const part of partsOf(together(committed), maxBytes)) this.#publish({ committed: part });
  }

  #publish(content: Content): void {
    const { node, broker, metrics } = this.#deps;
    const payload = encodeAnnouncement({ node, n: ++this.#n, numbered: true }, content);
    this.#keep(this.#n, payload);
    metrics.announced(payload.length);
    // Who misses it finds out by the number of the next one.
    broker.publish(ANNOUNCEMENTS, payload).catch(() => metrics.notAnnounced());
  }

  #keep(n: number, payload: string): void {
    this.#kept.set(n, payload);
    this.#keptBytes += payload.length;
    for (const [oldest, text] of this.#kept) {
      if (this.#keptBytes <= KEPT_MAX_BYTES) return;
      this.#kept.delete(oldest);
      this.#keptBytes -= text.length;
    }
  }
}

function together(committed: readonly Committed[]): Committed {
  if (committed.length === 1) return committed[0]!;
  return {
    entries: committed.flatMap(({ entries }) => entries),
    receipts: committed.flatMap(({ receipts }) => receipts),
    revs: committed.flatMap(({ revs }) => revs),
    accepted: committed.flatMap(({ accepted = [] }) => accepted),
    saved: committed.flatMap(({ saved = [] }) => saved),
  };
}
