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
 * conversation keep their order: what is cached is looked at without waiting.
 *
 * @throws ChatError not_participant, what `permit` throws, and what the outcome says
 */
export async function writeGuarded(
  { directory, writer }: GuardedDeps,
  { cid, uid }: { cid: string; uid: string },
  permit: (known: Known, rights: Rights) => Command | undefined,
): Promise<Outcome & { ok: true }> {
  let known = directory.peek(cid) ?? (await directory.load(cid));
  for (let tries = 1; ; tries++) {
    let command = permit(known, directory.rights(known));
    if (command === undefined) {
      const now = await directory.lookAgain(known, uid);
      if (now !== undefined) command = permit(now, directory.rights(now));
    }
    if (command === undefined) throw new ChatError('not_participant');
    const outcome = await writer.append(command);
    if (outcome.ok) return outcome;
    if (outcome.code !== 'stale' || tries === TRIES_MAX) throw outcomeError(outcome);
    directory.suspect(cid);
    known = await directory.load(cid);
  }
}
