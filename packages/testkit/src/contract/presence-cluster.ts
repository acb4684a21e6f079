import type { Presence, PresenceState } from '@gapless/core';

/** The nodes of one test, and what can be done to them. */
export interface PresenceCluster {
  readonly nodes: readonly Presence[];
  /** From what a node of the cluster loses its users; absent where a node's end is the end of all. */
  readonly faults?: PresenceFaults;
  close(): Promise<void>;
}

export interface PresenceFaults {
  readonly leaseMs: number;
  /** The node is cut off from what the nodes share: for the others it is dead. */
  cut(node: number): void;
  mend(node: number): void;
  /** What the nodes share ends, with its data, … */
  down(): Promise<void>;
  up(): Promise<void>;
  /** … or takes connections and answers nothing. */
  hang(): void;
  wake(): void;
}

/** Everything that one node tells, in order. */
export class Watcher {
  readonly told: PresenceState[] = [];
  /** By user: `+` for online and `-` for offline, in order. */
  readonly #changes = new Map<string, string>();
  #next = Promise.withResolvers<void>();

  constructor(presence: Presence) {
    presence.onChange((state) => {
      this.told.push(state);
      this.#changes.set(state.uid, `${this.#of(state.uid)}${state.online ? '+' : '-'}`);
      this.#next.resolve();
      this.#next = Promise.withResolvers();
    });
  }

  /** Waits until as many changes of the user were told. @throws Error when they are others */
  async until(uid: string, changes: string): Promise<void> {
    while (this.#of(uid).length < changes.length) await this.#next.promise;
    if (this.#of(uid) !== changes) throw new Error(`told of ${uid}: ${this.#of(uid)} instead of ${changes}`);
  }

  #of(uid: string): string {
    return this.#changes.get(uid) ?? '';
  }

  lastSeen(uid: string): number | undefined {
    return this.told.findLast((state) => state.uid === uid)?.lastSeen;
  }
}

export function watchAll({ nodes }: PresenceCluster): Watcher[] {
  return nodes.map((node) => new Watcher(node));
}

/** Every node told exactly these changes of the user. */
export async function toldBy(watchers: readonly Watcher[], uid: string, changes: string): Promise<void> {
  await Promise.all(watchers.map((watcher) => watcher.until(uid, changes)));
}

/**
 * All that was begun before has been told: a user came and went after it. For proving that something is *not* told.
 * Its grace began later than any before, so theirs are over.
 */
export async function passed(node: Presence, watchers: readonly Watcher[]): Promise<void> {
  const uid = `sentinel ${crypto.randomUUID()}`;
  node.touch(uid, 'sentinel');
  await toldBy(watchers, uid, '+');
  node.leave(uid, 'sentinel');
  await toldBy(watchers, uid, '+-');
}

/** What a gateway does: touches every connection, here several times per lease. Returns what stops it. */
export function heartbeat(node: Presence, leaseMs: number, users: Readonly<Record<string, string>>): () => void {
  const beat = () => {
    for (const [uid, conn] of Object.entries(users)) node.touch(uid, conn);
  };
  beat();
  const timer = setInterval(beat, leaseMs / 4);
  return () => clearInterval(timer);
}

/** Asks until the node answers so. */
export async function listed(node: Presence, uid: string, online: boolean): Promise<PresenceState> {
  for (;;) {
    const [state] = await node.list([uid]);
    if (state!.online === online) return state!;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
