import type { http } from '@gapless/protocol';
import type { MessageStatus } from './types.ts';

export interface Position {
  readonly delivered: number;
  readonly read: number;
}

const NOWHERE: Position = { delivered: 0, read: 0 };

/** The others' positions in one conversation. They only grow. */
export class Receipts {
  /** Replaced at each change: it is part of snapshots. */
  #positions: ReadonlyMap<string, Position> = new Map();

  get positions(): ReadonlyMap<string, Position> {
    return this.#positions;
  }

  /** True when that was news. Who has read it, has received it. */
  advance(user: string, op: 'delivered' | 'read', pos: number): boolean {
    const { delivered, read } = this.#positions.get(user) ?? NOWHERE;
    const next = { delivered: Math.max(delivered, pos), read: op === 'read' ? Math.max(read, pos) : read };
    if (next.delivered === delivered && next.read === read) return false;
    this.#positions = new Map(this.#positions).set(user, next);
    return true;
  }

  drop(user: string): void {
    const positions = new Map(this.#positions);
    positions.delete(user);
    this.#positions = positions;
  }

  /** How far one of the others got, and how far all of them: gives the status of each own message. */
  statusOf(others: readonly http.Participant[], complete: boolean): (seq: number) => MessageStatus {
    let delivered = 0;
    let readByAll = others.length > 0 && complete ? Number.POSITIVE_INFINITY : 0;
    for (const { userId } of others) {
      const position = this.#positions.get(userId) ?? NOWHERE;
      delivered = Math.max(delivered, position.delivered);
      readByAll = Math.min(readByAll, position.read);
    }
    return (seq) => (seq <= readByAll ? 'read' : seq <= delivered ? 'delivered' : 'sent');
  }
}
