import type { ConversationKind, DownFrameOf, http } from '@gapless/protocol';
import { Backoff } from './backoff.ts';

/** A detail that stays older than the change that asked for it is taken as it is after so many tries. */
const TRIES_MAX = 5;

/** Participants, title and kind of one conversation, kept up with its `change` frames. */
export class Details {
  readonly #get: () => Promise<http.ConversationDetail>;
  readonly #onDetail: () => void;
  participants: readonly http.Participant[] = [];
  /** All participants are listed: the server names the first thousand. */
  complete = true;
  title: string | undefined;
  kind: ConversationKind | undefined;
  /** Rev of what is here; -1 before the first. */
  #rev = -1;
  /** Rev of the newest change that only a new detail can show. */
  #neededRev = 0;
  #refreshing = false;
  #run = 0;

  constructor(get: () => Promise<http.ConversationDetail>, onDetail: () => void) {
    this.#get = get;
    this.#onDetail = onDetail;
  }

  async fetch(): Promise<void> {
    const run = this.#run;
    const detail = await this.#get();
    if (run !== this.#run) return;
    this.#take(detail);
    this.resume();
  }

  /** What the frame says shows at once; names and roles of new ones have to be asked for. */
  onChange({ op, rev, users = [], title }: DownFrameOf<'change'>): void {
    // The detail was quicker: it has what came of this, and of what follows.
    if (rev <= this.#rev) return;
    if (op === 'settings' && title !== undefined) this.title = title;
    else if (op === 'participants_removed') this.participants = this.participants.filter(({ userId }) => !users.includes(userId));
    // A detail that is on its way may be older than any of these.
    this.#neededRev = rev;
    this.resume();
  }

  stop(): void {
    this.#run++;
    this.#refreshing = false;
  }

  /** Goes on where `stop` broke off. */
  resume(): void {
    if (this.#rev >= 0 && this.#rev < this.#neededRev && !this.#refreshing) void this.#refresh();
  }

  async #refresh(): Promise<void> {
    this.#refreshing = true;
    const run = this.#run;
    const backoff = new Backoff();
    for (let tries = 1; ; tries++) {
      const detail = await this.#get().catch(() => undefined);
      if (run !== this.#run) return;
      if (detail !== undefined && (detail.rev >= this.#neededRev || tries >= TRIES_MAX)) {
        this.#refreshing = false;
        return this.#take(detail);
      }
      await backoff.sleep();
      if (run !== this.#run) return;
    }
  }

  #take(detail: http.ConversationDetail): void {
    this.participants = detail.participants;
    this.complete = detail.participantCount <= detail.participants.length;
    this.title = detail.title;
    this.kind = detail.kind;
    this.#rev = detail.rev;
    this.#onDetail();
  }
}
