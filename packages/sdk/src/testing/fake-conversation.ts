import type { DownFrameOf, http } from '@gapless/protocol';
import type { FakeConnection } from './fake-connection.ts';

type LogEntry = DownFrameOf<'message'> | DownFrameOf<'change'>;

/** Accepted and not saved: who is told what becomes of it. */
interface Unsaved {
  readonly seq: number;
  readonly tell: Set<FakeConnection>;
}

/** What became of a number at the end of an epoch. */
export interface Settled extends Unsaved {
  readonly mid: string;
  readonly lost: boolean;
}

export class FakeConversation {
  readonly cid: string;
  kind: http.Conversation['kind'] = 'group';
  title = 'A title';
  readonly users = new Map<string, { lastRead: number; delivered: number }>();
  /** All changes, by rev. */
  readonly log: LogEntry[] = [];
  readonly messages: http.Message[] = [];
  /** The last ones of `messages`. */
  unsaved: Unsaved[] = [];
  /** Accepted ones are shown to nobody. */
  hidesUnsaved = false;
  /** A resume from before this is answered with `reset`. */
  oldestRev = 0;

  constructor(cid: string, users: string[]) {
    this.cid = cid;
    for (const user of users) this.users.set(user, { lastRead: 0, delivered: 0 });
  }

  get saved(): number {
    return this.messages.length - this.unsaved.length;
  }

  /** Newest that is shown. */
  get head(): number {
    return this.hidesUnsaved ? this.saved : this.messages.length;
  }

  get rev(): number {
    return this.hidesUnsaved ? this.log.length - this.unsaved.length : this.log.length;
  }

  /** With the next numbers. */
  add(fields: Pick<http.Message, 'from' | 'mid' | 'body'>, stage?: 'accepted'): http.Message {
    const [seq, rev] = [this.messages.length + 1, this.log.length + 1];
    const message = { cid: this.cid, seq, rev, at: 1_000, kind: 'text', ...fields, ...(stage === undefined ? {} : { stage }) };
    this.messages.push(message);
    this.log.push({ t: 'message', ...message });
    if (stage !== undefined) this.unsaved.push({ seq, tell: new Set() });
    return message;
  }

  /** The oldest of those that are not saved. */
  save(): (http.Message & Pick<Unsaved, 'tell'>) | undefined {
    const oldest = this.unsaved.shift();
    if (oldest === undefined) return undefined;
    const { stage: _, ...message } = this.messages[oldest.seq - 1]!;
    this.#put(message);
    return { ...message, tell: oldest.tell };
  }

  /** The accept log is gone: what `keep` says is saved, all others are lost, and so are some numbers that nobody here knows of. */
  settle(keep: (n: number) => boolean, reserved: number): Settled[] {
    for (let n = 0; n < reserved; n++) this.add({ from: 'system', mid: `nobody-${this.messages.length + 1}`, body: {} }, 'accepted');
    const settled: Settled[] = this.unsaved.map(({ seq, tell }, n) => {
      const { stage: _, ...message } = this.messages[seq - 1]!;
      const lost = message.from === 'system' || !keep(n);
      const { cid, rev, at } = message;
      this.#put(lost ? { cid, seq, rev, at, mid: `gone-${seq}`, from: 'system', kind: 'lost', body: {}, recalledAt: at } : message);
      return { seq, tell, mid: message.mid, lost };
    });
    this.unsaved = [];
    const seqs = settled.filter(({ lost }) => lost).map(({ seq }) => seq);
    if (seqs.length > 0) this.log.push({ t: 'change', cid: this.cid, rev: this.log.length + 1, op: 'lost', seqs, by: 'system', at: 1_000 });
    return settled;
  }

  #put(message: http.Message): void {
    this.messages[message.seq - 1] = message;
    this.log[message.rev - 1] = { t: 'message', ...message };
  }
}
