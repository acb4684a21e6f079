import type { TwoPhaseMetrics } from '@gapless/core';
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

const MS = 1_000;

/** Two-phase acks. Names and help as in metrics.ts. */
export function createTwoPhaseMetrics(registers: Registry[]): TwoPhaseMetrics {
  const counter = (name: string, help: string) => new Counter({ name, help, registers });
  const gauge = (name: string, help: string) => new Gauge({ name, help, registers });
  const accepted = counter('gapless_accept_accepted_total', 'Messages that this node accepted before they were saved.');
  const saved = counter('gapless_accept_saved_total', 'Accepted messages that this node saved.');
  const lag = new Histogram({
    name: 'gapless_accept_save_lag_seconds',
    help: 'From accepted to saved.',
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60],
    registers,
  });
  const refused = new Counter({
    name: 'gapless_accept_refused_total',
    help: 'Answers of the accept log that were no acceptance; most are tried again.',
    labelNames: ['code'],
    registers,
  });
  const lost = counter('gapless_accept_lost_total', 'Accepted messages that were lost before they were saved; their senders are told.');
  const settled = counter('gapless_accept_settled_total', 'Conversations brought back into the store at the end of an epoch.');
  const failures = new Counter({
    name: 'gapless_accept_failures_total',
    help: 'Batches that failed and are tried again.',
    labelNames: ['group'],
    registers,
  });
  const shards = new Gauge({
    name: 'gapless_accept_shards_owned',
    help: 'Streams that this node works on.',
    labelNames: ['group'],
    registers,
  });
  const entries = gauge('gapless_accept_backlog_entries', 'Messages accepted and not saved, of all nodes.');
  const age = gauge('gapless_accept_backlog_age_seconds', 'Age of the oldest of them.');
  const unsaved = gauge('gapless_accept_unsaved', 'Accepted messages that this node keeps until they are saved.');
  const epochs = gauge('gapless_accept_epoch', 'Epoch of the accept log; 0 while the database gives all numbers.');
  return {
    accepted: (count) => accepted.inc(count),
    saved(waitedMs) {
      saved.inc(waitedMs.length);
      for (const ms of waitedMs) lag.observe(ms / MS);
    },
    refused: (code) => refused.inc({ code }),
    lost: (count) => lost.inc(count),
    settled: (count) => settled.inc(count),
    backlog(backlog) {
      entries.set(backlog.entries);
      age.set(backlog.oldestMs / MS);
    },
    failed: (group) => failures.inc({ group }),
    shardsOwned: (group, count) => shards.set({ group }, count),
    unsaved: (count) => unsaved.set(count),
    epoch: (epoch, state) => epochs.set(state === 'off' ? 0 : epoch),
  };
}
