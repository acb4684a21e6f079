import type { Directory, Known } from './directory.ts';
import { ChatError, outcomeError } from './errors.ts';
import type { Command, Outcome, Rights } from './ports/store.ts';
import type { Writer } from './writer.ts';

/** A conversation whose participants change this often while one command waits is left to the caller's next try. */
const TRIES_MAX = 5;

export interface GuardedDeps {
  directory: Directory;
  writer: Pick<Writer, 'append'>;
}

/**
 * Writes one command of someone who must have a right to it: `permit` looks at the participants and makes the command, or gives undefined
 * for who is none. When they turn out to have changed, by another node too, it looks again. Commands of one caller to one conversation
 * keep their order: what is cached is looked at without waiting.
 *
 * @throws ChatError not_participant, what `permit` throws, and what the outcome says
 */
export async function writeGuarded(
  { directory, writer }: GuardedDeps,
  cid: string,
  permit: (known: Known, rights: Rights) => Command | undefined,
): Promise<Outcome & { ok: true }> {
  let known = directory.peek(cid) ?? (await directory.load(cid));
  for (let tries = 1; ; tries++) {
    let command = permit(known, directory.rights(known));
    if (command === undefined && directory.isDoubtful(known)) {
      known = await directory.reload(known);
      command = permit(known, directory.rights(known));
    }
    if (command === undefined) throw new ChatError('not_participant');
    const outcome = await writer.append(command);
    if (outcome.ok) return outcome;
    if (outcome.code !== 'stale' || tries === TRIES_MAX) throw outcomeError(outcome);
    known = await directory.reload(known);
  }
}
