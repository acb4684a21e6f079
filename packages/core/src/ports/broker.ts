/** What is listened to: by kind, so that a room and a user of one name are two topics. How a broker names it is its adapter's matter. */
export interface Topic {
  /** `cluster`: every node listens; `node`: the one of that id. */
  readonly kind: 'room' | 'user' | 'cluster' | 'node';
  readonly name: string;
}

/** Must not throw and must not wait: it is called on the broker's own path. */
export type TopicListener = (payload: string) => void;

/** What happens to the transport; each is called after it happened. */
export interface BrokerWatch {
  /** The transport was away and is back, and every topic is listened to again: what was published meanwhile may be lost. */
  restored?(): void;
  /** Something that listens ended by itself, and was started again; what it missed may be lost. */
  restarted?(error: unknown): void;
}

/**
 * Live pub/sub between the nodes of one cluster. At most once; the order of one publisher is kept per topic, there is none between
 * topics. A single node goes the same road: what it publishes comes back to its own listeners.
 */
export interface Broker {
  readonly capabilities: {
    readonly multiProcess: boolean;
    /** UTF-8 bytes of one payload that are certain to go through. */
    readonly payloadMaxBytes: number;
  };
  /** Resolves when handed to the transport, not when received; before, no listener was called. Rejects when it certainly got lost. */
  publish(topic: Topic, payload: string): Promise<void>;
  /**
   * Resolves when everything published from here on arrives, as long as the transport holds: after an outage of it the adapter listens
   * again by itself. The function ends it at once: the listener is not called again.
   */
  subscribe(topic: Topic, listener: TopicListener): Promise<() => void>;
  /** Returns a function that stops it. */
  watch(watch: BrokerWatch): () => void;
  /** Rejects unless a publication could be handed over now. */
  check(): Promise<void>;
  /** No listener is called after it. Safe to call twice; what is asked of the broker later rejects. */
  close(): Promise<void>;
}
