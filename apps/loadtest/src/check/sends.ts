import type { AnomalyLog } from './anomalies.ts';
import type { EventOf, HistoryEvent } from './event.ts';

/** One message as its author knows it: every attempt to send it, and what came of them. */
interface Sent {
  readonly h: string;
  /** The first invocation, and the first acknowledgement. */
  readonly invokedAt: number;
  ackedAt: number;
  attempts: number;
  failed: number;
  /** The seq that acknowledgements name. */
  seq: number | undefined;
  dup: boolean;
}

/** All sends of one conversation. Ids are `author/mid`. */
export class SendsCheck {
  readonly #log: AnomalyLog;
  readonly #sent = new Map<string, Sent>();
  acked = 0;

  constructor(log: AnomalyLog) {
    this.#log = log;
  }

  get size(): number {
    return this.#sent.size;
  }

  invoke({ u, mid, h, t }: EventOf<'invoke'>): void {
    const sent = this.#sent.get(idOf(u, mid));
    if (sent === undefined)
      this.#sent.set(idOf(u, mid), {
        h,
        invokedAt: t,
        ackedAt: Number.POSITIVE_INFINITY,
        attempts: 1,
        failed: 0,
        seq: undefined,
        dup: false,
      });
    else sent.attempts++;
  }

  ok(event: EventOf<'ok'>): void {
    const id = idOf(event.u, event.mid);
    const sent = this.#sent.get(id);
    if (sent === undefined) return this.#log.add('invented', `${event.cid}: ${id} was acknowledged but never sent`);
    if (sent.seq === undefined) this.acked++;
    else if (sent.seq !== event.seq)
      this.#log.add('conflicting-ack', `${event.cid}: ${id} acknowledged as ${sent.seq} and as ${event.seq}`);
    sent.seq ??= event.seq;
    sent.ackedAt = Math.min(sent.ackedAt, event.t);
    sent.dup ||= event.dup === true;
  }

  /** Only a message of which every attempt was refused must be absent; one unknown outcome makes it possible. */
  fail(event: EventOf<'fail'>): void {
    const sent = this.#sent.get(idOf(event.u, event.mid));
    if (sent !== undefined) sent.failed++;
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

  /** Every acknowledged one is in the final history, under the seq that was acknowledged. */
  compare(cid: string, seqOf: ReadonlyMap<string, number>): void {
    for (const [id, { seq }] of this.#sent) {
      if (seq === undefined) continue;
      const kept = seqOf.get(id);
      if (kept === undefined) this.#log.add('lost-write', `${cid}: seq ${seq}, ${id}`);
      else if (kept !== seq) this.#log.add('conflicting-ack', `${cid}: ${id} acknowledged as ${seq}, kept as ${kept}`);
    }
  }

  /** Whoever sends after an ack gets a larger seq: a sweep over both in time order, with the largest seq acknowledged so far. */
  realTime(cid: string, seqOf: ReadonlyMap<string, number>): void {
    const known = [...this.#sent].flatMap(([id, sent]) => {
      const seq = sent.seq ?? seqOf.get(id);
      return seq === undefined ? [] : [{ id, seq, invokedAt: sent.invokedAt, ackedAt: sent.ackedAt }];
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

  /** Sends of one connection, each tried once and acknowledged, keep their order. */
  pipelined(cid: string, user: string, mids: readonly string[]): void {
    let newest = 0;
    for (const mid of mids) {
      const sent = this.#sent.get(idOf(user, mid))!;
      if (sent.attempts !== 1 || sent.dup || sent.seq === undefined) continue;
      if (sent.seq < newest)
        this.#log.add('int-nonmonotonic', `${cid}: ${idOf(user, mid)} has seq ${sent.seq}, one sent before it ${newest}`);
      newest = Math.max(newest, sent.seq);
    }
  }
}

export type Observed = Extract<HistoryEvent, { ev: 'recv' }>;

export function idOf(user: string, mid: string): string {
  return `${user}/${mid}`;
}
