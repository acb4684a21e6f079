import { type AnomalyCount, AnomalyLog } from './anomalies.ts';
import { type CheckOptions, ConversationCheck } from './conversation.ts';
import type { HistoryEvent } from './event.ts';

export interface CheckResult {
  readonly ok: boolean;
  readonly events: number;
  readonly conversations: number;
  /** Messages sent, acknowledged, and received, each receiver counted. */
  readonly sent: number;
  readonly acked: number;
  readonly received: number;
  /** Of those acknowledged: as accepted, as saved. */
  readonly accepted: number;
  readonly saved: number;
  /** Acknowledged as accepted, and lost before they were saved; of these, those whose sender was told. */
  readonly acceptedLost: number;
  readonly acceptedLostReported: number;
  /** Joins after which nothing says that no message was missed before: the server said `reset`; a device came back without a position. */
  readonly resets: number;
  readonly joinsWithoutPosition: number;
  /** Conversations whose final history was not given: loss and holes could not be looked for there. */
  readonly withoutHistory: number;
  readonly anomalies: readonly AnomalyCount[];
}

/** Checks histories, conversation by conversation. */
export class HistoryCheck {
  readonly #log = new AnomalyLog();
  readonly #options: CheckOptions;
  #open = new Map<string, ConversationCheck>();
  readonly #totals = {
    events: 0,
    conversations: 0,
    sent: 0,
    acked: 0,
    received: 0,
    accepted: 0,
    saved: 0,
    acceptedLost: 0,
    acceptedLostReported: 0,
    resets: 0,
    joinsWithoutPosition: 0,
    withoutHistory: 0,
  };

  constructor(options: CheckOptions = {}) {
    this.#options = options;
  }

  add(event: HistoryEvent): void {
    this.#totals.events++;
    let conversation = this.#open.get(event.cid);
    if (conversation === undefined) {
      conversation = new ConversationCheck(event.cid, this.#log, this.#options);
      this.#open.set(event.cid, conversation);
    }
    conversation.add(event);
  }

  /** Concludes the conversations so far and forgets them; none of their events may follow. */
  flush(): void {
    for (const conversation of this.#open.values()) {
      const { history } = conversation.finish();
      this.#totals.conversations++;
      this.#totals.sent += conversation.sends.size;
      for (const name of ['acked', 'accepted', 'saved', 'acceptedLost', 'acceptedLostReported'] as const)
        this.#totals[name] += conversation.sends[name];
      this.#totals.received += conversation.received;
      this.#totals.resets += conversation.restarts.resets;
      this.#totals.joinsWithoutPosition += conversation.restarts.withoutPosition;
      if (!history) this.#totals.withoutHistory++;
    }
    this.#open = new Map();
  }

  finish(): CheckResult {
    this.flush();
    const anomalies = this.#log.list();
    return { ok: anomalies.length === 0, ...this.#totals, anomalies };
  }
}

export function checkEvents(events: Iterable<HistoryEvent>, options?: CheckOptions): CheckResult {
  const check = new HistoryCheck(options);
  for (const event of events) check.add(event);
  return check.finish();
}
