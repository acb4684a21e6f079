import type { Directory, Known } from './directory.ts';
import { ChatError, outcomeError } from './errors.ts';
import type { Command, Outcome, Rights } from './ports/store.ts';
import type { Writer } from './writer.ts';

/** A caller whose rights change this often while one command waits is left to their next try. */
const TRIES_MAX = 3;

export interface GuardedDeps {
  directory: Directory;
  writer: Pick<Writer, 'append'>;
}

/**
 * Writes one command of `uid`, who must have a right to it: `permit` looks at the participants and makes the command, or gives undefined
 * for who is none. When the right turns out to have changed, by another process too, it looks again. Commands of one caller to one
 * conversation keep their order: what is cached is looked at without waiting, and while one has to look into the store, those behind it wait.
 *
 * @throws ChatError not_participant, what `permit` throws, and what the outcome says
 */
export async function writeGuarded(
  { directory, writer }: GuardedDeps,
  { cid, uid }: { cid: string; uid: string },
  permit: (known: Known, rights: Rights) => Command | undefined,
): Promise<Outcome & { ok: true }> {
  const turn = new Turn(directory, `${cid} ${uid}`);
  try {
    while (turn.before !== undefined) await turn.before;
    let known = directory.peek(cid) ?? (await turn.look(() => directory.load(cid)));
    for (let tries = 1; ; tries++) {
      let command = permit(known, directory.rights(known));
      if (command === undefined) {
        const last = known;
        const now = await turn.look(() => directory.lookAgain(last, uid));
        if (now !== undefined) command = permit(now, directory.rights(now));
      }
      if (command === undefined) throw new ChatError('not_participant');
      const appended = writer.append(command);
      turn.end();
      const outcome = await appended;
      if (outcome.ok) return outcome;
      if (outcome.code !== 'stale' || tries === TRIES_MAX) throw outcomeError(outcome);
      while (turn.before !== undefined) await turn.before;
      directory.suspect(cid);
      known = await turn.look(() => directory.load(cid));
    }
  } finally {
    turn.end();
  }
}

/** Who looks into the store now, by caller and conversation. */
const looking = new WeakMap<Directory, Map<string, Promise<void>>>();

/** One command's turn among those of its caller to one conversation. */
class Turn {
  readonly #key: string;
  readonly #looking: Map<string, Promise<void>>;
  #end: (() => void) | undefined;

  constructor(directory: Directory, key: string) {
    let own = looking.get(directory);
    if (own === undefined) looking.set(directory, (own = new Map()));
    this.#looking = own;
    this.#key = key;
  }

  /** Resolves when the one before it has looked; undefined where there is none. */
  get before(): Promise<void> | undefined {
    return this.#looking.get(this.#key);
  }

  /** Those behind it wait until `end`. */
  look<T>(task: () => Promise<T>): Promise<T> {
    if (this.#end === undefined) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#looking.set(this.#key, promise);
      this.#end = () => {
        this.#looking.delete(this.#key);
        resolve();
      };
    }
    return task();
  }

  end(): void {
    this.#end?.();
    this.#end = undefined;
  }
}
