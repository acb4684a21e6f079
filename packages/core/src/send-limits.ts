import { CONVERSATION_SENDS_BURST, CONVERSATION_SENDS_PER_SEC, USER_SENDS_BURST, USER_SENDS_PER_SEC } from '@gapless/protocol';
import type { Actor } from './chat.ts';
import { ChatError } from './errors.ts';
import { Throttle } from './throttle.ts';

/** Sends per user and per conversation, whichever way they come. The app's backend speaks for many: only the conversation's bucket counts. */
export class SendLimits {
  readonly #users = new Throttle({ attempts: USER_SENDS_PER_SEC, windowMs: 1_000, burst: USER_SENDS_BURST });
  readonly #conversations = new Throttle({ attempts: CONVERSATION_SENDS_PER_SEC, windowMs: 1_000, burst: CONVERSATION_SENDS_BURST });
  readonly #onLimited: (bucket: 'user' | 'conversation') => void;

  constructor(onLimited: (bucket: 'user' | 'conversation') => void = () => {}) {
    this.#onLimited = onLimited;
  }

  /** @throws ChatError rate_limited */
  take(actor: Actor, cid: string, nowMs: number): void {
    if (actor.role !== 'admin') this.#check('user', this.#users.wait(actor.uid, nowMs));
    this.#check('conversation', this.#conversations.wait(cid, nowMs));
  }

  #check(bucket: 'user' | 'conversation', retryAfterMs: number): void {
    if (retryAfterMs === 0) return;
    this.#onLimited(bucket);
    throw new ChatError('rate_limited', { retryAfterMs });
  }
}
