import type { DownFrame, UpFrame } from '@gapless/protocol';
import type { What } from '../../check/event.ts';
import { marksOf } from '../../check/message-marks.ts';
import { bodyDigest } from '../../digest.ts';
import type { HistoryWriter } from '../../load/history-writer.ts';
import type { Acks } from './acks.ts';

/** The answer says nothing about the outcome: the same mid may still be saved. */
const UNKNOWN = new Set(['store_unavailable', 'internal']);

/**
 * Writes down what goes over the connections of one device in one conversation, as the checker wants it: what a client makes of it does not
 * matter here. Call `dialed` for each connection, then `up` and `down` with its frames.
 */
export class Recorder {
  readonly user: string;
  readonly cid: string;
  readonly #history: HistoryWriter;
  readonly #acks: Acks;
  /** Number of the connection. */
  #connection = 0;
  #node = '';
  #where = '';
  /** Joined on this connection, and not told otherwise since. */
  #joined = false;
  /** The seq that the join asked to go on from; undefined: from the head. */
  #since: number | undefined;
  /** Up to here is replay. */
  #head = 0;
  /** Where the device was at which rev, ascending. */
  #marks: { rev: number; seq: number }[] = [];
  /** The seq that was acked as saved last on this connection. */
  #savedPos = 0;
  /** Sent on this connection and without an answer. */
  readonly #waiting = new Set<string>();

  constructor({ user, cid, history, acks }: { user: string; cid: string; history: HistoryWriter; acks: Acks }) {
    this.cid = cid;
    this.user = user;
    this.#history = history;
    this.#acks = acks;
  }

  /** The newest seq that came. */
  get newest(): number {
    return this.#marks.at(-1)?.seq ?? 0;
  }

  get connections(): number {
    return this.#connection;
  }

  /** `node`: a name for whom it goes to. */
  dialed(node: string): void {
    this.#connection++;
    this.#node = node;
    this.#savedPos = 0;
    this.#joined = false;
    this.#where = `"u":${JSON.stringify(this.user)},"d":"${this.user}-1","k":${this.#connection},"cid":${JSON.stringify(this.cid)}`;
  }

  up(frame: UpFrame): void {
    if (frame.t === 'send' && frame.cid === this.cid) {
      this.#waiting.add(frame.mid);
      this.#acks.invoked(frame.mid);
      this.#tell({ ev: 'invoke', op: 'send', mid: frame.mid, h: bodyDigest(frame.body) });
    } else if (frame.t === 'join' && frame.cid === this.cid) this.#joining(frame);
    else if (frame.t === 'sync') for (const request of frame.convs) if (request.cid === this.cid) this.#joining(request);
  }

  down(frame: DownFrame): void {
    if (!('cid' in frame) && frame.t !== 'error') return;
    if (frame.t !== 'error' && frame.cid !== this.cid) return;
    switch (frame.t) {
      case 'joined':
        return this.#onJoined(frame);
      case 'message':
        return this.#onMessage(frame);
      case 'change':
        if (frame.op === 'lost') this.#tell({ ev: 'lost', seqs: frame.seqs ?? [] });
        return;
      case 'ack':
        if (frame.mid !== undefined) this.#onAck({ ...frame, mid: frame.mid });
        return;
      case 'read':
        return this.#tell({ ev: 'cursor', of: frame.from, pos: frame.pos });
      case 'error':
        return this.#onError(frame);
      default:
    }
  }

  closed(): void {
    this.#joined = false;
    for (const mid of this.#waiting) this.#tell({ ev: 'info', op: 'send', mid });
    this.#waiting.clear();
  }

  /** It was there to the end and had all the time it asked for. */
  drained(): void {
    if (this.#joined) this.#tell({ ev: 'drained' });
  }

  get joined(): boolean {
    return this.#joined;
  }

  #joining({ since, rev }: { since?: number | undefined; rev?: number | undefined }): void {
    this.#since = since ?? (rev === undefined ? undefined : this.#marks.findLast((mark) => mark.rev <= rev)?.seq);
  }

  #onJoined({ head, rev, reset }: Extract<DownFrame, { t: 'joined' }>): void {
    const since = this.#since;
    this.#tell({ ev: 'joined', head, ...(since === undefined ? {} : { since }), ...(reset === true ? { reset } : {}) });
    this.#joined = true;
    this.#head = head;
    if (since === undefined || reset === true) this.#marks.push({ rev, seq: head });
  }

  #onMessage(frame: Extract<DownFrame, { t: 'message' }>): void {
    const { seq, rev, mid, from, body } = frame;
    const via = seq <= this.#head ? 'replay' : 'live';
    this.#tell({ ev: 'recv', via, seq, mid, from, h: bodyDigest(body), ...marksOf(frame) });
    if (seq > this.newest) this.#marks.push({ rev, seq });
    if (from === this.user && frame.stage === undefined) this.#acks.saved(mid);
  }

  #onAck({ mid, pos, stage, dup }: { mid: string; pos: number; stage: 'accepted' | 'saved'; dup?: true | undefined }): void {
    if (stage === 'saved') this.#waiting.delete(mid);
    this.#acks.acked(mid, stage, dup);
    if (stage === 'saved' && dup !== true) {
      if (pos < this.#savedPos) this.#acks.backwards++;
      this.#savedPos = pos;
    }
    const more = { ...(dup ? { dup } : {}), ...(stage === 'accepted' ? { stage, by: this.#node } : {}) };
    this.#tell({ ev: 'ok', op: 'send', mid, seq: pos, ...more });
  }

  #onError({ code, ref }: Extract<DownFrame, { t: 'error' }>): void {
    if (ref?.mid === undefined || ref.cid !== this.cid) return;
    this.#waiting.delete(ref.mid);
    this.#acks.refused(code);
    this.#tell({ ev: UNKNOWN.has(code) ? 'info' : 'fail', op: 'send', mid: ref.mid, code });
  }

  #tell(what: What): void {
    this.#history.write(this.#where, what);
  }
}
