import { ulidBound } from '@gapless/kit';
import { ChatError, outcomeError } from '../errors.ts';
import type { AcceptTail } from '../ports/accept-log.ts';
import type { EpochDeps } from './deps.ts';
import type { Epochs } from './epochs.ts';

/** How far an idle conversation may be ahead of the store: what one person types while the database is away for half a minute. */
export const WINDOW_MIN = 64;

/** Clients' clocks may be behind: ULIDs from so long before the opening on are known, and need no look at the store. */
const KNOWN_BEFORE_MS = 10 * 60_000;

/** Mids loaded at an opening. With more of them every mid is looked up. */
const MIDS_MAX = 1_000;

/** Sorts after every ULID. */
const AFTER_ULIDS = '8';

/** While a conversation closes, how often it is looked whether it is saved. The notice comes sooner, mostly. */
const LOOK_MS = 50;

/** For a conversation to be saved that closes: longer than any batch takes, shorter than a client waits. */
const SAVE_MS = 3_000;

/** After a conversation was closed for a change of it: so long nobody opens it again, for the change to be committed. */
const CHANGE_MS = 1_000;

/** Before it is tried again what another node, or the epoch, is in the way of. */
export const RETRY_MS = 10;

/** The same while the accept log is away, or an epoch ends: the end of that is heard of. */
export const AWAY_RETRY_MS = 200;

export type ConversationDeps = EpochDeps & { readonly epochs: Epochs };

/** `open`, `wait` (another node is at it), or `over`: the epoch is. */
export async function openConversation(deps: ConversationDeps, epoch: number, cid: string): Promise<'open' | 'wait' | 'over'> {
  const { accept, store, writer, clock } = deps;
  const ticket = await accept.intend(epoch, cid);
  if (ticket === 'open' || ticket === 'over') return ticket;
  if (ticket === 'opening' || ticket === 'held') return 'wait';
  const { opening, first } = ticket;
  let outcome = await inStore(deps, epoch, cid, opening);
  // It was open before this row of tries to open it, and the log does not know: numbers may have been given, none above the reserved ones.
  if (outcome !== undefined && outcome.before !== 0 && outcome.before < first) {
    await writer.append({ op: 'settle', cid, epoch, opening, at: clock.now(), messages: [], upTo: 'reserved' });
    outcome = await inStore(deps, epoch, cid, opening);
  }
  // The epoch is, or another node was quicker: the next try tells.
  if (outcome === undefined) return 'wait';
  const { head, rev, membersRev, reserved } = outcome;
  const from = ulidBound(clock.now() - KNOWN_BEFORE_MS);
  const mids = await store.midsAfter(cid, from, MIDS_MAX);
  const isAll = mids.length < MIDS_MAX || mids.at(-1)!.mid >= AFTER_ULIDS;
  const knownFrom = isAll ? from : AFTER_ULIDS;
  return (await accept.open(epoch, { cid, opening, head, rev, membersRev, reserved, knownFrom, mids })) ? 'open' : 'wait';
}

/** Undefined: it is over, or there was a newer opening. */
async function inStore({ writer }: ConversationDeps, epoch: number, cid: string, opening: number) {
  const outcome = await writer.append({ op: 'open', cid, epoch, opening, window: WINDOW_MIN });
  if (outcome.ok && outcome.op === 'open') return outcome;
  if (!outcome.ok && outcome.code === 'over') return undefined;
  throw outcome.ok ? new ChatError('internal') : outcomeError(outcome);
}

/**
 * Gives the conversation back to the store. `forChange`: nobody opens it again for a moment. Once held, it stays so until somebody has closed
 * it: sends wait, and who waits long closes it. Resolves when it is closed, or was not open; where no epoch accepts, after a moment.
 *
 * @throws ChatError server_busy  what was accepted could not be saved in time
 */
export async function closeConversation(deps: ConversationDeps, cid: string, { forChange }: { forChange: boolean }): Promise<void> {
  const { accept, writer, epochs } = deps;
  const { epoch } = epochs;
  // One that is ending is on its way to the store: soon it has the conversation.
  if (epoch === undefined) {
    epochs.look();
    return epochs.change(AWAY_RETRY_MS);
  }
  const tail = await accept.hold(epoch, cid);
  // Where somebody began to open it, and did not come back, the store takes it for open.
  if (tail === undefined) {
    if ((await openConversation(deps, epoch, cid)) !== 'open') await epochs.change(RETRY_MS);
    return;
  }
  if (!(await isSaved(deps, epoch, cid, tail))) throw new ChatError('server_busy', { retryAfterMs: SAVE_MS });
  const { head, opening } = tail;
  const outcome = await writer.append({ op: 'close', cid, epoch, opening, head });
  // Another node closed it, or the epoch ended: then it is closed as well.
  if (!outcome.ok && outcome.code !== 'over') throw new ChatError('server_busy', { retryAfterMs: LOOK_MS });
  await accept.close(epoch, cid, { opening, holdMs: forChange ? CHANGE_MS : 0 });
}

async function isSaved({ accept, clock, unsaved }: ConversationDeps, epoch: number, cid: string, tail: AcceptTail): Promise<boolean> {
  const until = clock.elapsed() + SAVE_MS;
  let { savedRev } = tail;
  while (savedRev < tail.rev) {
    if (clock.elapsed() >= until) return false;
    if (await unsaved.heard(cid, tail.rev, { clock, ms: LOOK_MS })) return true;
    const [now] = await accept.tails(epoch, [cid]);
    // Closed, and maybe opened again: another node was quicker.
    if (now?.opening !== tail.opening) return true;
    savedRev = now.savedRev;
  }
  return true;
}
