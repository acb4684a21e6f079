import type { AnomalyName } from '../check/anomalies.ts';
import { type EventOf, type HistoryEvent, historyEvent } from '../check/event.ts';
import type { Random } from './random.ts';

type Received = EventOf<'recv'>;
type Plant = (events: HistoryEvent[], random: Random) => HistoryEvent[] | undefined;

const isReceived = (event: HistoryEvent): event is Received => event.ev === 'recv';
const isLive = (event: HistoryEvent): event is Received => event.ev === 'recv' && event.via !== 'history';
const isKept = (event: HistoryEvent): event is Received => event.ev === 'recv' && event.via === 'history';
const isOk = (event: HistoryEvent): event is EventOf<'ok'> => event.ev === 'ok';
/** Of those with a seq, the ones that are messages to the end. */
const standing = <E extends Received | EventOf<'ok'>>(events: readonly HistoryEvent[], is: (event: HistoryEvent) => event is E): E[] => {
  const lost = lostSeqs(events);
  return events.filter(is).filter(({ seq }) => !lost.has(seq));
};
const savedOks = (events: readonly HistoryEvent[]) => standing(events, isOk).filter(({ stage }) => stage === undefined);
const sameConnection = (a: HistoryEvent, b: HistoryEvent) => a.d === b.d && a.k === b.k;
const lastOf = (events: readonly HistoryEvent[]) => events.filter(isKept).length;

/** Each plants one fault of its kind into a good history; undefined where the history has no place for it, as one without losses. */
export const PLANTS: Record<AnomalyName, Plant> = {
  'lost-write': (events, random) => {
    const ok = random.pick(savedOks(events));
    return ok && events.filter((event) => !(isKept(event) && event.seq === ok.seq));
  },
  'silent-loss': (events, random) => {
    const lost = lostSeqs(events);
    const ok = random.pick(events.filter(isOk).filter(({ seq }) => lost.has(seq)));
    const tells = (event: HistoryEvent) =>
      (event.ev === 'info' && event.code !== undefined) || (event.ev === 'ok' && event.seq !== ok?.seq);
    return ok && events.filter((event) => !('mid' in event && event.mid === ok.mid && tells(event)));
  },
  'loss-without-cause': (events, random) => {
    const lost = lostSeqs(events);
    const accepted = events.filter(isOk).filter(({ seq, stage, dup }) => lost.has(seq) && stage === 'accepted' && dup !== true);
    return change(events, random.pick(accepted), { by: 'another node' });
  },
  'shown-as-saved': (events, random) => {
    const lost = lostSeqs(events);
    const shown = random.pick(events.filter(isLive).filter((event) => event.lost !== true && lost.has(event.seq)));
    return change(events, shown, { stage: undefined });
  },
  'shown-again': (events, random) => {
    const again = random.pick(events.filter(isLive).filter((event) => shownBefore(events, event)));
    return again && events.filter((event) => !(event.d === again.d && event.ev === 'lost'));
  },
  'conflicting-seq': (events, random) => change(events, random.pick(standing(events, isLive)), { mid: 'm0' }),
  'conflicting-ack': (events, random) => {
    const [oks, lost] = [savedOks(events), lostSeqs(events)];
    const ok = random.pick(oks);
    const other = Array.from({ length: lastOf(events) + 1 }, (_, at) => at + 1).find((seq) => seq !== ok?.seq && !lost.has(seq));
    return ok && change(events, ok, { seq: other });
  },
  'twice-saved': (events, random) => {
    const kept = random.pick(standing(events, isKept));
    return kept && [...events, historyEvent(kept.cid, { ...identity(kept), seq: lastOf(events) + 1 })];
  },
  'aborted-read': (events, random) => {
    const refused = random.pick(events.filter((event) => event.ev === 'fail'));
    const sent = events.find((event) => event.ev === 'invoke' && event.mid === refused?.mid) as EventOf<'invoke'> | undefined;
    return sent && [...events, historyEvent(sent.cid, { mid: sent.mid, from: sent.u, h: sent.h, seq: lastOf(events) + 1 })];
  },
  invented: (events) => [...events, historyEvent(events[0]!.cid, { mid: 'never', from: 'u0', h: 'h', seq: lastOf(events) + 1 })],
  altered: (events, random) => change(events, random.pick(standing(events, isReceived)), { h: 'other' }),
  phantom: (events) => without(events, events.filter(isKept).at(-1)),
  'unsaved-history': (events, random) => change(events, random.pick(standing(events, isKept)), { stage: 'accepted' }),
  hole: (events, random) => without(events, random.pick(events.filter(isKept).slice(0, -1))),
  gap: (events, random) => {
    const last = new Map(events.filter(isLive).map((event) => [`${event.d} ${event.k}`, event]));
    return without(events, random.pick(events.filter(isLive).filter((event) => last.get(`${event.d} ${event.k}`) !== event)));
  },
  duplicate: (events, random) => {
    const received = random.pick(standing(events, isLive));
    return received && events.flatMap((event) => (event === received ? [event, { ...event }] : [event]));
  },
  reorder: (events, random) => {
    const live = events.filter(isLive);
    const first = random.pick(live.filter((event) => next(live, event) !== undefined));
    return first && swap(events, first, next(live, first)!);
  },
  uninvited: (events, random) => {
    const joined = random.pick(events.filter((event) => event.ev === 'joined' && live(events, event).length > 0));
    return without(events, joined);
  },
  unobserved: (events, random) => {
    const drained = random.pick(events.filter((event) => event.ev === 'drained' && live(events, event).length > 0));
    return drained && without(events, live(events, drained).at(-1));
  },
  'head-regressed': (events, random) => {
    const joined = random.pick(events.filter((event): event is EventOf<'joined'> => event.ev === 'joined' && (event.since ?? 0) > 0));
    return joined && change(events, joined, { head: joined.since! - 1 });
  },
  'int-nonmonotonic': (events, random) => exchange(events, random, (a, b) => sameConnection(a.invoke, b.invoke)),
  'ext-nonmonotonic': (events, random) => exchange(events, random, (a, b) => a.ok.t < b.invoke.t),
  'non-monotonic-cursor': (events, random) => {
    const cursor = random.pick(events.filter((event): event is EventOf<'cursor'> => event.ev === 'cursor' && event.pos > 1));
    return cursor && events.flatMap((event) => (event === cursor ? [event, { ...cursor, pos: cursor.pos - 1 }] : [event]));
  },
  'cursor-beyond-head': (events, random) => {
    const cursor = random.pick(events.filter((event) => event.ev === 'cursor'));
    return cursor && [...events, { ...cursor, pos: lastOf(events) + 1 }];
  },
};

function lostSeqs(events: readonly HistoryEvent[]): Set<number> {
  return new Set(events.flatMap((event) => (isKept(event) && event.lost === true ? [event.seq] : [])));
}

/** Whether this device saw the message under another number, that was lost later. */
function shownBefore(events: readonly HistoryEvent[], { d, mid, seq }: Received): boolean {
  return events.some((event) => isLive(event) && event.d === d && event.mid === mid && event.seq < seq);
}

/** Exchanges the seqs of two messages everywhere, so that only their order is wrong. */
function exchange(events: HistoryEvent[], random: Random, fits: (a: Single, b: Single) => boolean): HistoryEvent[] | undefined {
  const all = singles(events);
  const pairs = all.flatMap((a) => all.filter((b) => a.ok.seq < b.ok.seq && fits(a, b)).map((b) => [a, b] as const));
  const pair = random.pick(pairs);
  if (pair === undefined) return undefined;
  const [a, b] = pair;
  return events.map((event) => {
    const other = 'mid' in event ? (event.mid === a.ok.mid ? b : event.mid === b.ok.mid ? a : undefined) : undefined;
    if (other === undefined) return event;
    if (event.ev === 'ok') return { ...event, seq: other.ok.seq };
    return event.ev === 'recv' ? { ...event, mid: other.invoke.mid, from: other.invoke.u, h: other.invoke.h } : event;
  });
}

interface Single {
  readonly invoke: EventOf<'invoke'>;
  readonly ok: EventOf<'ok'>;
}

/** Messages that were sent once and acknowledged with one number. */
function singles(events: readonly HistoryEvent[]): Single[] {
  const invokes = Map.groupBy(
    events.filter((event) => event.ev === 'invoke'),
    ({ mid }) => mid,
  );
  const numbers = Map.groupBy(events.filter(isOk), ({ mid }) => mid);
  return savedOks(events).flatMap((ok) => {
    const [invoke, ...further] = invokes.get(ok.mid)!;
    return further.length === 0 && numbers.get(ok.mid)!.every(({ seq }) => seq === ok.seq) ? [{ ok, invoke: invoke! }] : [];
  });
}

function live(events: readonly HistoryEvent[], connection: HistoryEvent): Received[] {
  return events.filter(isLive).filter((event) => sameConnection(event, connection));
}

function next(received: readonly Received[], event: Received): Received | undefined {
  return received.find((other) => sameConnection(other, event) && other.seq === event.seq + 1);
}

function identity({ mid, from, h }: Received) {
  return { mid, from, h };
}

function change(events: HistoryEvent[], target: HistoryEvent | undefined, fields: object): HistoryEvent[] | undefined {
  return target && events.map((event) => (event === target ? ({ ...event, ...fields } as HistoryEvent) : event));
}

function without(events: HistoryEvent[], target: HistoryEvent | undefined): HistoryEvent[] | undefined {
  return target && events.filter((event) => event !== target);
}

function swap(events: HistoryEvent[], a: HistoryEvent, b: HistoryEvent): HistoryEvent[] {
  return events.map((event) => (event === a ? b : event === b ? a : event));
}
