import { LOST } from '@gapless/core';
import type { HistoryEvent } from '@gapless/loadtest';
import type { DownFrame, DownFrameOf, UpFrame } from '@gapless/protocol';
import type { World } from './world.ts';

type What = HistoryEvent extends infer E ? (E extends HistoryEvent ? Omit<E, 'p' | 'u' | 'd' | 'k' | 't' | 'cid'> : never) : never;

/** Answers that say: nothing was stored. All others leave it open. */
const REFUSALS = new Set(['not_participant', 'server_busy', 'rate_limited', 'forbidden', 'bad_frame', 'too_large', 'mid_conflict']);

interface Asked {
  readonly t: string;
  readonly wanted: Map<string, Wanted>;
}

interface Wanted {
  /** Undefined: from the head on. */
  readonly rev: number | undefined;
  /** How far its user had read then, as the store had it. */
  readonly read: number;
}

export interface RecorderOptions {
  readonly events: HistoryEvent[];
  readonly problems: string[];
  /** Life, user and device. */
  readonly p: string;
  readonly u: string;
  readonly d: string;
  /** How far the user has read for sure, now. */
  readBy(cid: string): number;
}

/** What one life of a client said and heard, frame by frame, as the checker reads it. One connection after the other. */
export class Recorder {
  readonly events: HistoryEvent[];
  readonly #world: World;
  readonly #who: { readonly p: string; readonly u: string; readonly d: string };
  /** Number of the connection. */
  k = 0;
  #asked: Asked[] = [];
  /** Up to which seq each rev reaches, by cid: what this life knows. */
  readonly #known = new Map<string, { rev: number; seq: number }[]>();
  readonly #joinedAt = new Map<string, number>();
  /** Large ones: nothing comes by itself. */
  readonly #pulled = new Set<string>();
  readonly #readBy: (cid: string) => number;
  /** What was wrong with an answer in itself. */
  readonly problems: string[];

  constructor(world: World, { events, problems, readBy, ...who }: RecorderOptions) {
    this.#world = world;
    this.events = events;
    this.problems = problems;
    this.#readBy = readBy;
    this.#who = who;
  }

  connected(): void {
    this.k++;
    this.#asked = [];
  }

  said(frame: UpFrame): void {
    if (frame.t === 'send') this.#tell(frame.cid, { ev: 'invoke', op: 'send', mid: frame.mid, h: String(frame.body.text) });
    else if (frame.t === 'join') this.#ask('join', [frame]);
    else if (frame.t === 'sync') this.#ask('sync', frame.convs);
  }

  heard(frame: DownFrame, node: string): void {
    switch (frame.t) {
      case 'joined':
        return this.#joined(frame);
      case 'message':
        return this.#message(frame);
      case 'ack':
        return this.#acked(frame, node);
      case 'change':
        if (frame.op === 'lost') this.#tell(frame.cid, { ev: 'lost', seqs: frame.seqs ?? [] });
        return;
      case 'head':
        if (frame.mode === 'push') this.#pulled.delete(frame.cid);
        else this.#pulled.add(frame.cid);
        return;
      case 'read':
        return this.#cursor(frame.cid, frame.from, frame.pos);
      case 'error':
        return this.#refused(frame);
      default:
        return;
    }
  }

  /** It had all the time there is: it must have everything, but for what it asks for in its own time. */
  drained(cid: string): void {
    if (!this.#pulled.has(cid)) this.#tell(cid, { ev: 'drained' });
  }

  #ask(t: string, convs: readonly { cid: string; rev?: number }[]): void {
    this.#asked.push({ t, wanted: new Map(convs.map(({ cid, rev }) => [cid, { rev, read: this.#readBy(cid) }])) });
  }

  #joined({ cid, head, rev, lastRead, reset }: DownFrameOf<'joined'>): void {
    const asked = this.#answered('', cid);
    const from = asked?.rev;
    const anew = from === undefined || reset === true;
    const since = anew ? {} : { since: this.#seqAt(cid, from) };
    if (asked !== undefined && lastRead < asked.read)
      this.problems.push(`read forgotten: ${this.#who.d} joins ${cid} at ${lastRead}, its user had read up to ${asked.read}`);
    // No server is set back here, and none forgets changes.
    if (reset === true) this.problems.push(`reset: ${this.#who.d} joins ${cid} after ${from}, the server is at ${rev}`);
    if (anew) this.#known.set(cid, [{ rev, seq: head }]);
    this.#joinedAt.set(cid, head);
    this.#pulled.delete(cid);
    this.#tell(cid, { ev: 'joined', head, ...since, ...(reset ? { reset } : {}) });
    this.#cursor(cid, this.#who.u, lastRead);
  }

  #acked({ cid, mid, pos, stage, dup }: DownFrameOf<'ack'>, by: string): void {
    if (mid === undefined) return;
    this.#tell(cid, { ev: 'ok', op: 'send', mid, seq: pos, by, ...(dup ? { dup } : {}), ...(stage === 'accepted' ? { stage } : {}) });
  }

  #message({ cid, seq, rev, mid, from, body, kind, stage }: DownFrameOf<'message'>): void {
    this.#known.get(cid)?.push({ rev, seq });
    const via = seq <= (this.#joinedAt.get(cid) ?? 0) ? 'replay' : 'live';
    this.#tell(cid, { ev: 'recv', seq, mid, from, via, h: String(body.text), ...marksOf(kind, stage) });
  }

  #refused({ code, ref }: DownFrameOf<'error'>): void {
    if (ref?.t === 'send' && ref.cid !== undefined && ref.mid !== undefined)
      this.#tell(ref.cid, { ev: REFUSALS.has(code) ? 'fail' : 'info', op: 'send', mid: ref.mid, code });
    else if (ref?.t === 'join' || ref?.t === 'sync') {
      if (ref.cid !== undefined) this.#answered(ref.t, ref.cid);
      else
        this.#asked.splice(
          Math.max(
            0,
            this.#asked.findIndex(({ t }) => t === ref.t),
          ),
          1,
        );
    }
  }

  /** The oldest request for it that has no answer yet. */
  #answered(t: string, cid: string): Wanted | undefined {
    const at = this.#asked.findIndex((asked) => (t === '' || asked.t === t) && asked.wanted.has(cid));
    const asked = this.#asked[at];
    if (asked === undefined) return undefined;
    const wanted = asked.wanted.get(cid);
    asked.wanted.delete(cid);
    if (asked.wanted.size === 0) this.#asked.splice(at, 1);
    return wanted;
  }

  #seqAt(cid: string, rev: number): number {
    let seq = 0;
    for (const known of this.#known.get(cid) ?? []) if (known.rev <= rev && known.seq > seq) seq = known.seq;
    return seq;
  }

  /**
   * On one connection they never go back. Between two they may: a node tells what its own users have just sent as read, and another one
   * knows it a moment later.
   */
  #cursor(cid: string, of: string, pos: number): void {
    this.#tell(cid, { ev: 'cursor', of, pos }, `${this.#who.d}/${this.#who.p}/${this.k}`);
  }

  #tell(cid: string, what: What, d = this.#who.d): void {
    // Tasks are in order, and none takes time: so their number is a clock that never stands still.
    this.events.push({ ...this.#who, d, k: this.k, t: this.#world.tasks, cid, ...what } as HistoryEvent);
  }
}

/** What there is to say of a message besides what it is. */
export function marksOf(kind: string, stage?: 'accepted'): { lost?: true; stage?: 'accepted' } {
  return { ...(kind === LOST.kind ? { lost: true } : {}), ...(stage === undefined ? {} : { stage }) };
}
