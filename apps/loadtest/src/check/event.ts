/**
 * One line of a client-side history (NDJSON). One writer per process; the lines of one connection stand in the order in which its client
 * saw them. `t` is monotonic, in nanoseconds; the real-time check compares it between processes, so they must share a machine.
 */
export type HistoryEvent = Where & What;

export interface Where {
  /** Process that wrote the line. */
  readonly p: string | number;
  /** User, device, and number of the connection of this device in this process. */
  readonly u: string;
  readonly d: string;
  readonly k: number;
  readonly t: number;
  readonly cid: string;
}

export type What =
  /** `h` is a digest of the body, the same for the same body everywhere in the history. */
  | { readonly ev: 'invoke'; readonly op: 'send'; readonly mid: string; readonly h: string }
  /** Without a stage it is saved. */
  | {
      readonly ev: 'ok';
      readonly op: 'send';
      readonly mid: string;
      readonly seq: number;
      readonly dup?: boolean;
      readonly stage?: 'accepted';
      /** The node that said so, where its writer knows: any name for it. */
      readonly by?: string;
    }
  /** Definitely refused. */
  | { readonly ev: 'fail'; readonly op: 'send'; readonly mid: string; readonly code?: string }
  /** Unknown: the answer never came, or said so. */
  | { readonly ev: 'info'; readonly op: 'send'; readonly mid: string; readonly code?: string }
  | { readonly ev: 'joined'; readonly since?: number; readonly head: number; readonly reset?: boolean }
  /** Via `history`: part of the final history, read after everything was quiet. */
  | {
      readonly ev: 'recv';
      readonly seq: number;
      readonly mid: string;
      readonly from: string;
      readonly h: string;
      readonly via: 'live' | 'replay' | 'history';
      /** Edited or recalled: its body is no longer the one that was sent. */
      readonly changed?: boolean;
      /** Not yet saved. */
      readonly stage?: 'accepted';
      /** No message: its number was given before the store was asked, and what had it is gone. */
      readonly lost?: boolean;
    }
  /** The final history was read to its end: what did not come via `history` is not in it, and it may be empty. */
  | { readonly ev: 'history' }
  /** This connection was told that what it may have seen under these numbers is gone. */
  | { readonly ev: 'lost'; readonly seqs: readonly number[] }
  /** The user `of` has read up to `pos`, as told to this connection. */
  | { readonly ev: 'cursor'; readonly of: string; readonly pos: number }
  /** This connection was open to the end, and was given all the time it asked for: it must have everything. */
  | { readonly ev: 'drained' };

export type EventOf<E extends What['ev']> = Where & Extract<What, { ev: E }>;

type HistoryMessage = Pick<EventOf<'recv'>, 'seq' | 'mid' | 'from' | 'h' | 'changed' | 'stage' | 'lost'>;

const HISTORY = { p: 'history', u: '', d: '', k: 0, t: 0 } as const;

/** The final history of a conversation as events, whoever read it. */
export function historyEvent(cid: string, message: HistoryMessage): EventOf<'recv'> {
  return { ...HISTORY, cid, ev: 'recv', via: 'history', ...message };
}

/** The last of them. */
export function historyEnd(cid: string): HistoryEvent {
  return { ...HISTORY, cid, ev: 'history' };
}
