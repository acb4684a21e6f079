import type { Clock } from '@gapless/kit';
import { ChatError } from '../errors.ts';
import type { Broker } from '../ports/broker.ts';

/** What nodes say to each other alone. */
export type Letter =
  | { readonly t: 'again'; readonly from: string; readonly numbers: readonly number[] }
  | { readonly t: 'gone'; readonly from: string; readonly numbers: readonly number[] }
  | { readonly t: 'ask'; readonly from: string; readonly id: number; readonly question: unknown }
  | {
      readonly t: 'answer';
      readonly id: number;
      readonly answer?: unknown;
      readonly error?: { readonly code: string; readonly msg: string };
    };

/** Undefined for what is none. */
export function parseLetter(payload: string): Letter | undefined {
  try {
    const letter = JSON.parse(payload) as Letter | null;
    return letter !== null && ['again', 'gone', 'ask', 'answer'].includes(letter.t) ? letter : undefined;
  } catch {
    return undefined;
  }
}

/** An answer that takes longer does not come: the node is gone. */
const ANSWER_MS = 3_000;

/** Before a question is tried again that could not be sent. */
const BUSY_RETRY_MS = 1_000;

export interface MailboxDeps {
  node: string;
  /** Whether there is such a node. */
  knows(node: string): boolean;
  broker: Broker;
  clock: Clock;
}

interface Waiting {
  resolve(answer: unknown): void;
  reject(error: unknown): void;
}

/** Questions from one node to another, over a broker that may lose them. */
export class Mailbox {
  readonly #deps: MailboxDeps;
  readonly #waiting = new Map<number, Waiting>();
  #asked = 0;
  /** Answers what other nodes ask. @throws ChatError, which the asker gets */
  onAsked: (question: unknown) => Promise<unknown> = () => Promise.reject(new ChatError('not_found'));

  constructor(deps: MailboxDeps) {
    this.#deps = deps;
  }

  /** Whether there is such a node, as far as is known here. */
  knows(node: string): boolean {
    return this.#deps.knows(node);
  }

  /** Best effort: who wants an answer waits for it. */
  send(node: string, letter: Letter): void {
    this.deliver(node, JSON.stringify(letter)).catch(() => {});
  }

  /** Rejects when it certainly got lost. */
  deliver(node: string, payload: string): Promise<void> {
    return this.#deps.broker.publish({ kind: 'node', name: node }, payload);
  }

  /**
   * @throws ChatError not_found    there is no such node, or it does not answer
   * @throws ChatError server_busy  it cannot be asked now
   * @throws ChatError              what the other node throws
   */
  async ask(node: string, question: unknown): Promise<unknown> {
    if (!this.knows(node)) throw new ChatError('not_found');
    const id = ++this.#asked;
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    this.#waiting.set(id, { resolve, reject });
    const stop = this.#deps.clock.after(ANSWER_MS, () => reject(new ChatError('not_found', { say: 'Its node does not answer.' })));
    try {
      await this.deliver(node, JSON.stringify({ t: 'ask', from: this.#deps.node, id, question } satisfies Letter)).catch(
        (error: unknown) => {
          throw new ChatError('server_busy', { retryAfterMs: BUSY_RETRY_MS, cause: error });
        },
      );
      return await promise;
    } finally {
      stop();
      this.#waiting.delete(id);
    }
  }

  /** A question or an answer that came. */
  async take(letter: Letter & { t: 'ask' | 'answer' }): Promise<void> {
    if (letter.t === 'ask') return this.#answer(letter);
    const waiting = this.#waiting.get(letter.id);
    if (letter.error === undefined) waiting?.resolve(letter.answer);
    else waiting?.reject(new ChatError(letter.error.code as ChatError['code'], { say: letter.error.msg }));
  }

  async #answer({ from, id, question }: Letter & { t: 'ask' }): Promise<void> {
    try {
      this.send(from, { t: 'answer', id, answer: await this.onAsked(question) });
    } catch (error) {
      const { code, message } = error instanceof ChatError ? error : new ChatError('internal');
      this.send(from, { t: 'answer', id, error: { code, msg: message } });
    }
  }
}
