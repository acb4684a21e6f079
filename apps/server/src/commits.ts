import { type Cluster, type Committed, type Directory, Writer } from '@gapless/core';
import type { Gateway } from '@gapless/gateway';
import type { Base } from './base.ts';
import type { RunningRelay } from './relay.ts';
import type { Sampling } from './sampling.ts';

export interface CommitsDeps {
  sampling: Sampling;
  /** Called when a commit failed. */
  failed(): void;
  parts(): { directory: Directory; gateway: Gateway };
  others: Cluster | undefined;
  relay: RunningRelay | undefined;
}

/** The writer, with everyone who is told of what it committed. */
export function createCommits({ store, clock, log, metrics }: Base, { sampling, failed, parts, others, relay }: CommitsDeps): Writer {
  const writer = new Writer({
    store,
    clock,
    limits: { lanes: store.capabilities.lanes },
    onCommitted(committed) {
      const { directory, gateway } = parts();
      directory.apply(committed);
      gateway.publish(committed);
      others?.committed(committed);
      relay?.nudge();
      observe(committed);
    },
    onError(error) {
      failed();
      metrics.writer.failed();
      log.error({ err: error }, 'commit failed');
    },
    onUnknown: (cids) => others?.doubt(cids),
    onBatch: metrics.writer.batch,
  });
  metrics.watchWriter(() => writer.depth);

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

  return writer;
}
