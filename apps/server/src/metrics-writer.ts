import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

const COMMIT_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 0.8, 1, 2.5, 5];
/** Finer: what is compared there differs by milliseconds. */
const SEND_SECONDS = [
  0.0001, 0.00025, 0.0005, 0.001, 0.0015, 0.002, 0.003, 0.004, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03, 0.04, 0.06, 0.08, 0.1, 0.15, 0.25,
  0.5, 1, 2.5, 5,
];
const MS = 1_000;

/** What becomes durable, and how long it takes. */
export function createWriterMetrics(registers: Registry[]) {
  const saved = new Counter({ name: 'gapless_messages_saved_total', help: 'Messages committed; its rate is the write rate.', registers });
  const commit = new Histogram({
    name: 'gapless_commit_seconds',
    help: 'One batch: from hand-over to durable.',
    buckets: COMMIT_SECONDS,
    registers,
  });
  const batchSize = new Histogram({
    name: 'gapless_commit_commands',
    help: 'Commands in one batch.',
    buckets: [1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000],
    registers,
  });
  const failed = new Counter({ name: 'gapless_commit_failures_total', help: 'Batches whose outcome is not known.', registers });
  const queue = new Histogram({
    name: 'gapless_send_db_queue_seconds',
    help: 'A send, until its batch is handed to the store (dbQueueMs).',
    buckets: SEND_SECONDS,
    registers,
  });
  const total = new Histogram({
    name: 'gapless_send_total_seconds',
    help: 'A send, until it has its outcome from the store (totalMs).',
    buckets: SEND_SECONDS,
    registers,
  });
  const ensureMembers = new Histogram({
    name: 'gapless_ensure_members_seconds',
    help: 'Member rows in the commit of one batch of sends (ensureMembersMs); nothing with --ensure-members ack.',
    buckets: SEND_SECONDS,
    registers,
  });
  return {
    batch({ size, ms }: { size: number; ms: number }) {
      commit.observe(ms / MS);
      batchSize.observe(size);
    },
    sent(queueMs: number, totalMs: number) {
      queue.observe(queueMs / MS);
      total.observe(totalMs / MS);
    },
    ensuredMembers: (ms: number) => ensureMembers.observe(ms / MS),
    saved: (messages: number) => saved.inc(messages),
    failed: () => failed.inc(),
    watchDepth(depth: () => number): void {
      const collect = function (this: Gauge): void {
        this.set(depth());
      };
      new Gauge({ name: 'gapless_writer_queue_commands', help: 'Commands waiting or being written.', registers, collect });
    },
  };
}
