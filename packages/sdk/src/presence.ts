import type { DownFrameOf, UpFrameOf } from '@gapless/protocol';
import { Derived } from './observable.ts';
import type { UserPresence } from './types.ts';

/** In one frame: a user id takes up to 64 characters, a frame up to 64 KiB. The server watches as many at most. */
const CHUNK = 500;

/** Who is online, of the users that someone watches. Watches of several callers are one for the server. */
export class PresenceBoard {
  readonly #send: (frame: UpFrameOf<'presence'>) => boolean;
  readonly #watchers = new Map<string, number>();
  /** What the server was told on this connection. */
  readonly #told = new Set<string>();
  #users: ReadonlyMap<string, UserPresence> = new Map();
  #scheduled = false;
  readonly observable = new Derived(() => this.#users);

  constructor(send: (frame: UpFrameOf<'presence'>) => boolean) {
    this.#send = send;
  }

  watch(users: readonly string[]): () => void {
    const watched = new Set(users);
    for (const user of watched) this.#watchers.set(user, (this.#watchers.get(user) ?? 0) + 1);
    this.#schedule();
    let done = false;
    return () => {
      if (done) return;
      done = true;
      for (const user of watched) this.#watchers.set(user, this.#watchers.get(user)! - 1);
      this.#schedule();
    };
  }

  /** A new connection knows of no watch. */
  resume(): void {
    this.#told.clear();
    this.#tell();
  }

  onFrame({ user, state, lastSeen }: DownFrameOf<'presence'>): void {
    if (!this.#watchers.get(user)) return;
    this.#set((users) => users.set(user, lastSeen === undefined ? { state } : { state, lastSeen }));
  }

  /** Once per turn: who is let go and watched again at once is not told of. */
  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    queueMicrotask(() => {
      this.#scheduled = false;
      this.#tell();
    });
  }

  #tell(): void {
    const gone = [...this.#watchers].filter(([, count]) => count === 0).map(([user]) => user);
    for (const user of gone) this.#watchers.delete(user);
    if (gone.some((user) => this.#users.has(user)))
      this.#set((users) => {
        for (const user of gone) users.delete(user);
      });
    // First out, then in: the server counts how many it watches.
    for (const unwatch of chunks([...this.#told].filter((user) => !this.#watchers.has(user))))
      if (this.#send({ t: 'presence', unwatch })) for (const user of unwatch) this.#told.delete(user);
    for (const watch of chunks([...this.#watchers.keys()].filter((user) => !this.#told.has(user))))
      if (this.#send({ t: 'presence', watch })) for (const user of watch) this.#told.add(user);
  }

  #set(change: (users: Map<string, UserPresence>) => void): void {
    const users = new Map(this.#users);
    change(users);
    this.#users = users;
    this.observable.changed();
  }
}

function chunks(users: string[]): string[][] {
  return Array.from({ length: Math.ceil(users.length / CHUNK) }, (_, i) => users.slice(i * CHUNK, (i + 1) * CHUNK));
}
