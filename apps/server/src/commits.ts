import { type Cluster, type Committed, type Directory, type OwnReads, Writer } from '@gapless/core';
import type { Gateway } from '@gapless/gateway';
import type { Base } from './base.ts';
import type { RunningRelay } from './relay.ts';
import { Repeats } from './repeats.ts';
import type { Sampling } from './sampling.ts';
import type { RunningTwoPhase } from './two-phase.ts';

export interface CommitsDeps {
  sampling: Sampling;
  /** Called when a commit failed. */
  failed(): void;
  parts(): { directory: Directory; gateway: Gateway; ownReads: OwnReads; twoPhase: RunningTwoPhase | undefined };
  others: Cluster | undefined;
  relay: RunningRelay | undefined;
}

export interface Commits {
  readonly writer: Writer;
  /** Of what was accepted, or what the savers saved; as the writer tells what it committed. */
  tell(committed: Committed): void;
}

/** The writer, with everyone who is told of what it committed. */
export function createCommits({ store, clock, log, metrics }: Base, { sampling, failed, parts, others, relay }: CommitsDeps): Commits {
  const failures = new Repeats(clock);
  const writer = new Writer({
    store,
    clock,
    limits: { lanes: store.capabilities.lanes },
    onCommitted(committed) {
      publish(committed);
      relay?.nudge();
      observe(committed);
    },
    onError(error) {
      failed();
      metrics.writer.failed();
      const omitted = failures.of(error);
      if (omitted !== undefined) log.error({ err: error, ...(omitted > 0 ? { omitted } : {}) }, 'commit failed');
    },
    onUnknown: (cids) => others?.doubt(cids),
    onBatch: metrics.writer.batch,
    onSent: metrics.writer.sent,
  });
  metrics.writer.watchDepth(() => writer.depth);

  function publish(committed: Committed): void {
    const { directory, gateway, twoPhase } = parts();
    directory.apply(committed);
    gateway.publish(committed);
    others?.committed(committed);
    twoPhase?.road.heard(committed);
  }

  /** Whoever fails to hear of it must not keep what was accepted from being saved. */
  function tell(committed: Committed): void {
    try {
      // Shown from now on; they are written when the message is saved.
      parts().ownReads.heard(committed);
      publish(committed);
      if (committed.saved !== undefined) relay?.nudge();
    } catch (error) {
      log.error({ err: error }, 'a listener failed');
    }
  }

  function observe({ entries }: Committed): void {
    let messages = 0;
    for (const entry of entries) {
      if (entry.op !== 'message') continue;
      messages++;
      const { cid, seq, from } = entry;
      if (sampling.hit(cid)) log.info({ cid, seq, from }, 'message saved');
    }
    metrics.writer.saved(messages);
  }

  return { writer, tell };
}
