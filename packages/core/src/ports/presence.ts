export interface PresenceState {
  readonly uid: string;
  readonly online: boolean;
  /** When the last connection ended; absent while online and for who was never seen. Epoch milliseconds. */
  readonly lastSeen?: number;
}

/** Who is online, over all of a user's connections. Best effort: a lost change is repaired by the next one. */
export interface Presence {
  readonly capabilities: { readonly multiProcess: boolean };
  /** The connection is there; again at every heartbeat, or its lease ends. */
  touch(uid: string, conn: string): void;
  /** The connection ended. The user goes offline some seconds after the last one, unless a new one comes. */
  leave(uid: string, conn: string): void;
  list(uids: readonly string[]): Promise<PresenceState[]>;
  /** Called once per change, on every node. */
  onChange(listener: (state: PresenceState) => void): () => void;
  close(): Promise<void>;
}
