import { unreachable } from '@gapless/kit';
import type { AnomalyLog } from './anomalies.ts';
import { ConnectionCheck } from './connection.ts';
import { DevicesCheck } from './device.ts';
import type { EventOf, HistoryEvent } from './event.ts';
import { idOf, type Observed, SendsCheck } from './sends.ts';

export interface CheckOptions {
  /** Others wrote too, whose histories are not here: a message of an unknown author is no anomaly. */
  foreignWriters?: boolean;
  /** Compare times between processes. Default true; switch off for histories of several machines. */
  realTime?: boolean;
  /** Only what these nodes accepted may be lost before it is saved, `by` the names that the history has for them. Absent: any. */
  acceptedLossOf?: readonly string[];
}

/**
 * The checks of one conversation. Feed it every event, those of one connection in their order, files in any order; then `finish` once.
 * Memory: one entry per message, connection and cursor; receiving costs no memory, however many receive.
 */
export class ConversationCheck {
  readonly sends: SendsCheck;
  #received = 0;
  readonly #cid: string;
  readonly #log: AnomalyLog;
  readonly #options: CheckOptions;
  readonly #connections = new Map<string, { user: string; check: ConnectionCheck }>();
  /** What each seq was seen as, and one observation of it. */
  readonly #messages = new Map<number, Observed>();
  /** Numbers that are no message any more, by anybody's word. */
  readonly #lost = new Set<number>();
  /** The final history: each seq, and which of them are messages. */
  readonly #history: number[] = [];
  #historyRead = false;
  readonly #keptMessages = new Set<number>();
  readonly #cursors = new Map<string, number>();
  readonly #devices = new DevicesCheck();

  constructor(cid: string, log: AnomalyLog, options: CheckOptions) {
    this.#cid = cid;
    this.#log = log;
    this.#options = options;
    this.sends = new SendsCheck(log, options.acceptedLossOf);
  }

  get received(): number {
    return this.#received;
  }

  /** Where what came before is not compared with what comes after: the server said so, or a device joined again without a position. */
  get restarts(): { readonly resets: number; readonly withoutPosition: number } {
    return this.#devices;
  }

  add(event: HistoryEvent): void {
    switch (event.ev) {
      case 'invoke':
        this.sends.invoke(event);
        this.#connection(event).sends.push(event.mid);
        return;
      case 'ok':
        return this.sends.ok(event);
      case 'fail':
        return this.sends.fail(event);
      case 'info':
        return this.sends.info(event);
      case 'joined':
        return this.#joined(event);
      case 'recv':
        return this.#receive(event);
      case 'history':
        this.#historyRead = true;
        return;
      case 'lost':
        for (const seq of event.seqs) this.#lost.add(seq);
        return this.#devices.told(deviceOf(event), event.seqs);
      case 'cursor':
        return this.#cursor(event);
      case 'drained':
        this.#connection(event).drained = true;
        return;
      default:
        return unreachable(event);
    }
  }

  finish(): { history: boolean } {
    const history = this.#historyRead;
    if (history) this.#checkDense();
    for (const message of this.#messages.values()) this.sends.observed(this.#cid, message, this.#options.foreignWriters ?? false);
    this.#voidLost();
    const kept = history ? this.#history : [...this.#messages.keys(), ...this.#lost];
    const seqOf = new Map<string, number>();
    for (const seq of kept.sort((a, b) => a - b)) this.#identify(seq, seqOf);
    this.sends.conclude(this.#cid, { seqOf, lost: this.#lost, history });
    if (history) this.#checkKept();
    if (this.#options.realTime !== false) this.sends.realTime(this.#cid, seqOf);
    const last = kept.at(-1) ?? 0;
    for (const { user, check } of this.#connections.values()) {
      check.finish(last);
      this.sends.pipelined(this.#cid, user, check.sends);
    }
    for (const [key, pos] of this.#cursors)
      if (pos > last && history) this.#log.add('cursor-beyond-head', `${key} at ${pos}, head ${last}`);
    return { history };
  }

  #joined(event: EventOf<'joined'>): void {
    const seen = this.#devices.joined(deviceOf(event), event);
    if (event.head < seen) this.#log.add('head-regressed', `${this.#cid}: ${event.u}/${event.d} saw ${seen}, then joined at ${event.head}`);
    this.#connection(event).joined(event);
  }

  #receive(event: Observed): void {
    this.#received++;
    const { seq, lost } = event;
    if (lost === true) this.#lost.add(seq);
    else this.#note(event);
    if (event.via === 'history') {
      this.#historyRead = true;
      this.#history.push(seq);
      if (event.stage === 'accepted') this.#log.add('unsaved-history', `${this.#cid}: seq ${seq}, ${idOf(event.from, event.mid)}`);
      if (lost !== true) this.#keptMessages.add(seq);
    } else {
      this.#connection(event).received(event);
      this.#devices.received(deviceOf(event), idOf(event.from, event.mid), event);
    }
  }

  /** Of several observations the most telling is kept: unchanged rather than changed, saved rather than accepted. */
  #note(event: Observed): void {
    const { seq } = event;
    const known = this.#messages.get(seq);
    if (known === undefined) this.#messages.set(seq, event);
    else if (known.mid !== event.mid || known.from !== event.from)
      this.#log.add('conflicting-seq', `${this.#cid}: seq ${seq} is ${idOf(known.from, known.mid)} and ${idOf(event.from, event.mid)}`);
    else if (known.h !== event.h && event.changed !== true && known.changed !== true)
      this.#log.add('altered', `${this.#cid}: seq ${seq} with bodies ${known.h} and ${event.h}`);
    else if ((known.changed === true && event.changed !== true) || (known.stage === 'accepted' && event.stage === undefined))
      this.#messages.set(seq, event);
  }

  /** What stood under a lost number does not count any more, if nobody was told that it is saved. */
  #voidLost(): void {
    for (const seq of this.#lost) {
      const message = this.#messages.get(seq);
      if (message === undefined) continue;
      const id = idOf(message.from, message.mid);
      if (this.#keptMessages.has(seq)) this.#log.add('conflicting-seq', `${this.#cid}: seq ${seq} is lost, and is ${id}`);
      else if (message.stage === undefined) this.#log.add('shown-as-saved', `${this.#cid}: seq ${seq}, ${id}`);
      this.#messages.delete(seq);
    }
    for (const { device, id, before, seq } of this.#devices.again)
      if (this.#lost.has(before)) this.#log.add('shown-again', `${this.#cid}: ${device} saw ${id} as ${before}, then as ${seq}`);
  }

  /** One mid under two seqs shows here. */
  #identify(seq: number, seqOf: Map<string, number>): void {
    const message = this.#messages.get(seq);
    // A lost number is nobody's.
    if (message === undefined) return;
    const id = idOf(message.from, message.mid);
    const before = seqOf.get(id);
    if (before === undefined) seqOf.set(id, seq);
    else if (before !== seq) this.#log.add('twice-saved', `${this.#cid}: ${id} is ${before} and ${seq}`);
  }

  #checkDense(): void {
    const seqs = [...new Set(this.#history)].sort((a, b) => a - b);
    let next = 1;
    for (const seq of seqs) {
      if (seq !== next) this.#log.add('hole', `${this.#cid}: the final history goes from ${next - 1} to ${seq}`);
      next = seq + 1;
    }
    if (seqs.length !== this.#history.length) this.#log.add('duplicate', `${this.#cid}: the final history has a seq twice`);
  }

  #checkKept(): void {
    const kept = new Set(this.#history);
    for (const { seq, from, mid } of this.#messages.values())
      if (!kept.has(seq)) this.#log.add('phantom', `${this.#cid}: seq ${seq}, ${idOf(from, mid)}`);
    for (const seq of this.#lost) if (!kept.has(seq)) this.#log.add('phantom', `${this.#cid}: seq ${seq}, lost`);
  }

  #cursor(event: EventOf<'cursor'>): void {
    const key = `${this.#cid}: cursor of ${event.of} on ${event.u}/${event.d}`;
    const before = this.#cursors.get(key) ?? 0;
    if (event.pos < before) this.#log.add('non-monotonic-cursor', `${key} went from ${before} to ${event.pos}`);
    this.#cursors.set(key, Math.max(before, event.pos));
  }

  #connection(event: HistoryEvent): ConnectionCheck {
    const key = `${event.p}/${event.u}/${event.d}/${event.k}`;
    const known = this.#connections.get(key);
    if (known !== undefined) return known.check;
    const check = new ConnectionCheck(event, this.#log);
    this.#connections.set(key, { user: event.u, check });
    return check;
  }
}

function deviceOf({ p, u, d }: HistoryEvent): string {
  return `${p}/${u}/${d}`;
}
