import type { Chat, Cluster, Directory, Log, Presence, TokenVerifier, VerifiedToken } from '@gapless/core';
import type { Clock } from '@gapless/kit';
import type { UpFrameOf, UpType } from '@gapless/protocol';
import type { CatchUpReads } from './catch-up.ts';
import type { Hub } from './hub.ts';
import type { Laggards } from './laggards.ts';
import type { GatewayLimits } from './limits.ts';
import type { GatewayMetrics } from './metrics.ts';
import type { PresenceWatch } from './presence-watch.ts';
import type { Session } from './session.ts';
import type { Turns } from './turns.ts';
import type { TypingBoard } from './typing-board.ts';

export interface GatewayDeps {
  chat: Chat;
  /** Where a connection that is behind the tail reads on. */
  reads: CatchUpReads;
  directory: Directory;
  verifier: TokenVerifier;
  /** A verified token's user is created on first sight. */
  ensureSeen(token: VerifiedToken): Promise<void>;
  presence: Presence;
  clock: Clock;
  log: Log;
  metrics: GatewayMetrics;
  limits: GatewayLimits;
  /** Token buckets of connections and addresses; off for load tests. */
  rateLimits: boolean;
  /** The other nodes; absent where there is but one. */
  others?: Pick<Cluster, 'typing' | 'replaced'>;
  /** One live connection per user: a newer one ends it. */
  singleSession: { enabled: boolean };
}

/** What a handler works with. */
export interface Context extends GatewayDeps {
  hub: Hub;
  typing: TypingBoard;
  watch: PresenceWatch;
  laggards: Laggards;
  /** Joins that read the store. */
  joins: Turns;
  /** Ends the user's other sessions: `by` is newer. */
  replace(uid: string, by: Session): void;
  /** Sends `error`, then closes. */
  refuse(session: Session, code: 'unauthorized' | 'token_expired', say?: string): void;
}

/** An authenticated session: its actor is set. */
export type Handler<T extends UpType> = (context: Context, session: Authed, frame: UpFrameOf<T>) => void | Promise<void>;
export type Authed = Session & { actor: NonNullable<Session['actor']> };
