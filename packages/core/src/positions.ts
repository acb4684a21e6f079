import { ChatError, outcomeError } from './errors.ts';
import type { Writer } from './writer.ts';

export type PositionCommand =
  | { op: 'read'; cid: string; uid: string; pos: number }
  | { op: 'delivered'; cid: string; uid: string; did: string; pos: number };

/** What comes while a position is being written: the largest of it, for all who wait. */
interface Next {
  command: PositionCommand;
  readonly written: PromiseWithResolvers<number>;
}

/**
 * Positions on their way to the store, merged by maximum while the last one of the same user, or device, is being written: a thousand
 * readers of a busy conversation cost one row each per batch, not one per message. None waits for another's.
 */
export class PositionBuffer {
  readonly #writer: Pick<Writer, 'append'>;
  /** By whose and where: those being written, each with what comes after. */
  readonly #writing = new Map<string, Next | undefined>();

  constructor(writer: Pick<Writer, 'append'>) {
    this.#writer = writer;
  }

  /** Resolves to the position now, when it is durable. */
  advance(command: PositionCommand): Promise<number> {
    const key = `${command.op} ${command.cid} ${command.uid} ${command.op === 'delivered' ? command.did : ''}`;
    if (!this.#writing.has(key)) return this.#write(key, command);
    const next = this.#writing.get(key);
    if (next === undefined) {
      const written = Promise.withResolvers<number>();
      this.#writing.set(key, { command, written });
      return written.promise;
    }
    if (command.pos > next.command.pos) next.command = command;
    return next.written.promise;
  }

  async #write(key: string, command: PositionCommand): Promise<number> {
    this.#writing.set(key, undefined);
    try {
      const outcome = await this.#writer.append(command);
      if (!outcome.ok) throw outcomeError(outcome);
      if (outcome.op !== 'read' && outcome.op !== 'delivered') throw new ChatError('internal');
      return outcome.pos;
    } finally {
      const next = this.#writing.get(key);
      this.#writing.delete(key);
      if (next !== undefined) this.#write(key, next.command).then(next.written.resolve, next.written.reject);
    }
  }
}
