import type { Channel } from './channel.ts';
import type { Session } from './session.ts';

/** Replay by `since`: messages up to `until` in their current state, then changes after `thenRev`. */
export interface SincePhase {
  seq: number;
  readonly until: number;
  readonly thenRev: number;
}

/** One session in one conversation: a position, not a queue. */
export class Subscription {
  readonly session: Session;
  readonly channel: Channel;
  /** Newest rev that was written to the connection. */
  position = 0;
  since: SincePhase | undefined;
  /** Waits for `joined`, or for a page from the store: nothing is delivered meanwhile. */
  paused = true;
  /** The last rev this session may see: its user was removed there. */
  lastRev = Number.POSITIVE_INFINITY;
  /** The rev at which the store said that the user takes part. Removals up to it were undone. */
  grantedRev = -1;
  /** Rows of its next page from the store; fewer where messages are large. */
  pageRows: number | undefined;
  /** Marked for the next flush of its session. */
  dirty = false;
  /** `joined` was written. */
  joined = false;
  closed = false;
  /** What it takes the place of, until `joined` is written. */
  former: Subscription | undefined;
  /** How far its user has read, as it was told. */
  ownRead = 0;
  /** Where its conversation is pulled: the head when it last asked. */
  pulledTo = 0;

  constructor(session: Session, channel: Channel) {
    this.session = session;
    this.channel = channel;
  }

  /** Its user was removed: what was before is still delivered, nothing of what goes on. */
  get ending(): boolean {
    return this.lastRev !== Number.POSITIVE_INFINITY;
  }

  /** Whether it gets something only when it asks. */
  get pulls(): boolean {
    return this.session.pulls && this.channel.delivery !== 'push';
  }

  /** How many revs are still to come. */
  get behind(): number {
    const upTo = this.pulls ? this.pulledTo : Number.POSITIVE_INFINITY;
    return Math.max(0, Math.min(this.channel.tail?.head ?? 0, this.lastRev, upTo) - this.position);
  }
}
