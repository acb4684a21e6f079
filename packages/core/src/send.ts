import { hash } from 'node:crypto';
import type { Clock } from '@gapless/kit';
import { BODY_MAX_BYTES, canonicalJson } from '@gapless/protocol';
import type { Actor, SendInput, SendResult } from './chat.ts';
import type { Directory } from './directory.ts';
import { ChatError } from './errors.ts';
import { LOST } from './model.ts';
import type { SendCommand } from './ports/store.ts';
import { writeGuarded } from './rights.ts';
import type { SendLimits } from './send-limits.ts';
import type { Writer } from './writer.ts';

export interface SendDeps {
  directory: Directory;
  writer: Pick<Writer, 'append'>;
  clock: Clock;
  bodyMaxBytes?: number;
  /** Absent: none. */
  limits?: SendLimits;
  /** Whether a send sees to the member rows itself, the old way; asked for each. Absent: never. */
  ensureMembers?: () => boolean;
}

/** `lost` is said of a number whose message was lost: nobody else may say it. */
const BACKEND_KINDS: readonly string[] = ['sys', LOST.kind];

/** The road of a message up to its commit: see docs/internals/road-of-a-message.md. */
export function createSend(deps: SendDeps) {
  const { directory, clock, limits, bodyMaxBytes = BODY_MAX_BYTES, ensureMembers = () => false } = deps;
  return async (actor: Actor, input: SendInput): Promise<SendResult> => {
    if (BACKEND_KINDS.includes(input.kind) && actor.role !== 'admin')
      throw new ChatError('forbidden', { say: `kind: ${input.kind} is for the backend.` });
    // Stores keep UTF-8: half a character would come back as another one, and two kinds would have one digest.
    if (!input.kind.isWellFormed()) throw new ChatError('bad_frame', { say: 'kind: has half a character' });
    let command: SendCommand | undefined;
    const outcome = await writeGuarded(deps, { cid: input.cid, uid: actor.uid }, ({ members }, rights) => {
      if (!members.has(actor.uid) || directory.isSuspended(input.cid, actor.uid)) return undefined;
      if (command === undefined) {
        limits?.take(actor, input.cid, clock.elapsed());
        command = toCommand(actor, input, clock.now(), bodyMaxBytes);
        if (ensureMembers()) command = { ...command, ensureMembers: true };
      }
      return Object.assign(command, rights);
    });
    if (outcome.op !== 'send') throw new ChatError('internal');
    const { seq, rev, at, dup, saved } = outcome;
    return saved === undefined ? { seq, rev, at, stage: 'saved', dup } : { seq, rev, at, stage: 'accepted', dup, saved };
  };
}

function toCommand(actor: Actor, input: SendInput, at: number, bodyMaxBytes: number): SendCommand {
  const digest = digestOf(input);
  const body = JSON.stringify(input.body);
  // A UTF-16 unit takes at most three bytes, so most bodies need no count.
  if (body.length * 3 > bodyMaxBytes && Buffer.byteLength(body) > bodyMaxBytes)
    throw new ChatError('too_large', { say: `body: larger than ${bodyMaxBytes} bytes` });
  return {
    op: 'send',
    cid: input.cid,
    mid: input.mid,
    from: actor.uid,
    at,
    kind: input.kind,
    body,
    digest,
    ...(input.replyTo === undefined ? {} : { replyTo: input.replyTo }),
    ...(input.threadRoot === undefined ? {} : { threadRoot: input.threadRoot }),
    ...(input.mentions === undefined || input.mentions.length === 0 ? {} : { mentions: input.mentions }),
  };
}

/** Equal for equal payloads, whatever the order of keys or the codec; what makes a resend a resend. */
function digestOf({ kind, body, replyTo, threadRoot, mentions }: SendInput): string {
  try {
    const refs =
      replyTo === undefined && threadRoot === undefined && mentions === undefined
        ? ''
        : canonicalJson([replyTo, threadRoot, mentions ?? []]);
    return hash('sha256', `${kind}\n${refs}\n${canonicalJson(body)}`, 'base64url');
  } catch (error) {
    if (error instanceof RangeError) throw new ChatError('bad_frame', { say: `body: ${error.message}` });
    throw error;
  }
}
