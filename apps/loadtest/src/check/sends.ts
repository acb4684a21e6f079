import type { AnomalyLog } from './anomalies.ts';
import type { EventOf, HistoryEvent } from './event.ts';

/** The answer that takes an acceptance back. */
const TAKEN_BACK = 'store_unavailable';

/** A number that acknowledgements of a message named. */
interface Ack {
  readonly seq: number;
  /** Of the first that named it. */
  readonly at: number;
  accepted: boolean;
  saved: boolean;
  /** Its author was told afterwards that it does not count, or another number. */
  revoked: boolean;
  /** The nodes that accepted it, as far as they are known; one that found it there did not. */
  readonly acceptedBy: string[];
}

/** One message as its author knows it: every attempt to send it, and what came of them. */
interface Sent {
  readonly h: string;
  /** The first invocation. */
  readonly invokedAt: number;
  attempts: number;
  failed: number;
  /** One; more only where numbers were lost. */
  readonly acks: Ack[];
  dup: boolean;
  /** The ack that counts, known in the end: the first of a number that was not lost. */
  final: Ack | undefined;
}

/** What the conversation came to, as far as it is known. */
export interface Known {
  /** Where each message is, by id. */
  readonly seqOf: ReadonlyMap<string, number>;
  readonly lost: ReadonlySet<number>;
  /** The final history was given: what is not in `seqOf` is nowhere. */
  readonly history: boolean;
}

/** All sends of one conversation. Ids are `author/mid`. */
export class SendsCheck {
  readonly #log: AnomalyLog;
  readonly #mayLose: readonly string[] | undefined;
  readonly #sent = new Map<string, Sent>();
  /** Messages with an ack, of each stage. */
  acked = 0;
  accepted = 0;
  saved = 0;
  /** Acks of the first stage whose number was lost; and those of which the sender was told. */
  acceptedLost = 0;
  acceptedLostReported = 0;

  /** `mayLose`: nodes whose accepted messages may be lost; absent: all of them. */
  constructor(log: AnomalyLog, mayLose?: readonly string[]) {
    this.#log = log;
    this.#mayLose = mayLose;
  }

  get size(): number {
    return this.#sent.size;
  }

  invoke({ u, mid, h, t }: EventOf<'invoke'>): void {
    const sent = this.#sent.get(idOf(u, mid));
    if (sent !== undefined) sent.attempts++;
    else
      this.#sent.set(idOf(u, mid), {
        h,
        invokedAt: t,
        attempts: 1,
        failed: 0,
        acks: [],
        dup: false,
        final: undefined,
      });
  }

  ok({ cid, u, mid, seq, t, stage, dup, by }: EventOf<'ok'>): void {
    const id = idOf(u, mid);
    const sent = this.#sent.get(id);
    if (sent === undefined) return this.#log.add('invented', `${cid}: ${id} was acknowledged but never sent`);
    if (sent.acks.length === 0) this.acked++;
    if (stage === 'accepted') this.accepted += sent.acks.some(({ accepted }) => accepted) ? 0 : 1;
    else this.saved += sent.acks.some(({ saved }) => saved) ? 0 : 1;
    let ack = sent.acks.find((each) => each.seq === seq);
    if (ack === undefined) {
      revoke(sent);
      sent.acks.push((ack = { seq, at: t, accepted: false, saved: false, revoked: false, acceptedBy: [] }));
    }
    ack[stage ?? 'saved'] = true;
    if (stage === 'accepted' && dup !== true && by !== undefined) ack.acceptedBy.push(by);
    sent.dup ||= dup === true;
  }

  /**
   * Only a message of which every attempt was refused must be absent; one unknown outcome makes it possible. A resend that is refused says
   * that it is accepted no more.
   */
  fail(event: EventOf<'fail'>): void {
    const sent = this.#sent.get(idOf(event.u, event.mid));
    if (sent === undefined) return;
    sent.failed++;
    revoke(sent);
  }

  info({ u, mid, code }: EventOf<'info'>): void {
    const sent = this.#sent.get(idOf(u, mid));
    if (sent !== undefined && code === TAKEN_BACK) revoke(sent);
  }

  /** A message as received, against what was sent. */
  observed(cid: string, { seq, mid, from, h, changed }: Observed, foreign: boolean): void {
    const sent = this.#sent.get(idOf(from, mid));
    if (sent === undefined) {
      if (!foreign) this.#log.add('invented', `${cid}: seq ${seq}, ${idOf(from, mid)}`);
      return;
    }
    if (sent.h !== h && changed !== true) this.#log.add('altered', `${cid}: seq ${seq}, ${idOf(from, mid)}: ${sent.h} became ${h}`);
    if (sent.failed === sent.attempts) this.#log.add('aborted-read', `${cid}: seq ${seq}, ${idOf(from, mid)} was refused`);
  }

  /** Every acknowledged one is in the final history, under the seq that was acknowledged; or its number is lost, and its sender knows. */
  conclude(cid: string, known: Known): void {
    for (const [id, sent] of this.#sent) {
      const standing = sent.acks.filter((ack) => !known.lost.has(ack.seq));
      for (const ack of sent.acks) if (known.lost.has(ack.seq)) this.#lost(cid, id, ack);
      sent.final = standing[0];
      for (const other of standing.slice(1))
        this.#log.add('conflicting-ack', `${cid}: ${id} acknowledged as ${standing[0]!.seq} and as ${other.seq}`);
      if (known.history && sent.final !== undefined) this.#kept(cid, id, { ack: sent.final, kept: known.seqOf.get(id) });
    }
  }

  #kept(cid: string, id: string, { ack, kept }: { ack: Ack; kept: number | undefined }): void {
    if (kept === ack.seq) return;
    if (kept !== undefined) this.#log.add('conflicting-ack', `${cid}: ${id} acknowledged as ${ack.seq}, kept as ${kept}`);
    else this.#lost(cid, id, ack);
  }

  #lost(cid: string, id: string, ack: Ack): void {
    if (ack.saved) return this.#log.add('lost-write', `${cid}: seq ${ack.seq}, ${id}`);
    this.acceptedLost++;
    if (!this.#isExplained(ack)) this.#log.add('loss-without-cause', `${cid}: seq ${ack.seq}, ${id}${byWhom(ack)}`);
    if (ack.revoked) this.acceptedLostReported++;
    else this.#log.add('silent-loss', `${cid}: seq ${ack.seq}, ${id}`);
  }

  #isExplained({ acceptedBy }: Ack): boolean {
    if (this.#mayLose === undefined) return true;
    return this.#mayLose.length > 0 && acceptedBy.every((node) => this.#mayLose!.includes(node));
  }

  /** Whoever sends after an ack gets a larger seq: a sweep over both in time order, with the largest seq acknowledged so far. */
  realTime(cid: string, seqOf: ReadonlyMap<string, number>): void {
    const known = [...this.#sent].flatMap(([id, { final, invokedAt }]) => {
      const seq = final?.seq ?? seqOf.get(id);
      return seq === undefined ? [] : [{ id, seq, invokedAt, ackedAt: final?.at ?? Number.POSITIVE_INFINITY }];
    });
    const acks = known.filter(({ ackedAt }) => ackedAt !== Number.POSITIVE_INFINITY).sort((a, b) => a.ackedAt - b.ackedAt);
    let at = 0;
    let newest = { id: '', seq: 0 };
    for (const send of known.sort((a, b) => a.invokedAt - b.invokedAt)) {
      for (; at < acks.length && acks[at]!.ackedAt < send.invokedAt; at++) if (acks[at]!.seq > newest.seq) newest = acks[at]!;
      if (send.seq <= newest.seq && send.id !== newest.id)
        this.#log.add(
          'ext-nonmonotonic',
          `${cid}: ${send.id} has seq ${send.seq}, but ${newest.id} with ${newest.seq} was acknowledged before`,
        );
    }
  }

  /** Sends of one connection, each tried once and acknowledged with one number, keep their order. */
  pipelined(cid: string, user: string, mids: readonly string[]): void {
    let newest = 0;
    for (const mid of mids) {
      const { attempts, dup, acks, final } = this.#sent.get(idOf(user, mid))!;
      if (attempts !== 1 || dup || acks.length !== 1 || final === undefined) continue;
      if (final.seq < newest)
        this.#log.add('int-nonmonotonic', `${cid}: ${idOf(user, mid)} has seq ${final.seq}, one sent before it ${newest}`);
      newest = Math.max(newest, final.seq);
    }
  }
}

function byWhom({ acceptedBy }: Ack): string {
  return acceptedBy.length === 0 ? '' : `, accepted by ${acceptedBy.join(' and ')}`;
}

function revoke({ acks }: Sent): void {
  for (const ack of acks) ack.revoked = true;
}

export type Observed = Extract<HistoryEvent, { ev: 'recv' }>;

export function idOf(user: string, mid: string): string {
  return `${user}/${mid}`;
}
