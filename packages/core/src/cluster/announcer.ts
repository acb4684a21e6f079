import type { Broker, Topic } from '../ports/broker.ts';
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
  metrics: ClusterMetrics;
}

/** Tells the other nodes what happened here: numbered, and kept for a while for those who missed it. */
export class Announcer {
  readonly #deps: AnnouncerDeps;
  #n = 0;
  /** By number, ascending. */
  readonly #kept = new Map<number, string>();
  #keptBytes = 0;

  constructor(deps: AnnouncerDeps) {
    this.#deps = deps;
  }

  /** Numbered: it reaches every node that lives, by a second telling if need be. */
  announce({ committed, ...rest }: Content): void {
    const maxBytes = Math.min(PAYLOAD_MAX_BYTES, this.#deps.broker.capabilities.payloadMaxBytes / 2);
    for (const part of committed === undefined ? [] : partsOf(committed, maxBytes)) this.#publish({ committed: part });
    if (Object.keys(rest).length > 0) this.#publish(rest);
  }

  /** Not numbered: what is lost is lost. Also without content, so that the others know the number of the last one. */
  mention(content: Content = {}): Promise<void> {
    const { node, broker } = this.#deps;
    return broker.publish(ANNOUNCEMENTS, encodeAnnouncement({ node, n: this.#n, numbered: false }, content));
  }

  /** What was announced under that number; undefined when it is no longer kept. */
  kept(n: number): string | undefined {
    return this.#kept.get(n);
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
