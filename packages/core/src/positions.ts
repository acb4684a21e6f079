import { ChatError, outcomeError } from './errors.ts';
import type { Outcome } from './ports/store.ts';
import type { Writer } from './writer.ts';

export type PositionCommand =
  | { op: 'read'; cid: string; uid: string; pos: number }
  | { op: 'delivered'; cid: string; uid: string; did: string; pos: number };

interface Waiting {
  command: PositionCommand;
  promise: Promise<number>;
  settle: (outcome: Outcome) => void;
  fail: (error: unknown) => void;
}

/**
 * Positions on their way to the store, merged by maximum while the last ones are being written: a thousand readers of a busy
 * conversation cost one row each per round, not one per message.
 */
export class PositionBuffer {
  readonly #writer: Pick<Writer, 'append'>;
  #waiting = new Map<string, Waiting>();
  #writing = false;

  constructor(writer: Pick<Writer, 'append'>) {
    this.#writer = writer;
  }

  /** Resolves to the position now, when it is durable. */
  advance(command: PositionCommand): Promise<number> {
    const key = `${command.op} ${command.cid} ${command.uid} ${command.op === 'delivered' ? command.did : ''}`;
    const merged = this.#waiting.get(key);
    if (merged !== undefined) {
      if (command.pos > merged.command.pos) merged.command = command;
      return merged.promise;
    }
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    const settle = (outcome: Outcome) => {
      if (outcome.ok && (outcome.op === 'read' || outcome.op === 'delivered')) resolve(outcome.pos);
      else reject(outcome.ok ? new ChatError('internal') : outcomeError(outcome));
    };
    this.#waiting.set(key, { command, promise, settle, fail: reject });
    if (!this.#writing) void this.#write();
    return promise;
  }

  async #write(): Promise<void> {
    this.#writing = true;
    while (this.#waiting.size > 0) {
      const round = [...this.#waiting.values()];
      this.#waiting = new Map();
      await Promise.all(round.map(({ command, settle, fail }) => this.#writer.append(command).then(settle, fail)));
    }
    this.#writing = false;
  }
}
