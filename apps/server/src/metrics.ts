import type { GatewayMetrics, RoomMetrics } from '@gapless/gateway';
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import { createClusterMetrics, createRelayMetrics } from './metrics-cluster.ts';
import { createTwoPhaseMetrics } from './metrics-two-phase.ts';
import { createWriterMetrics } from './metrics-writer.ts';

// Every metric of the server: names, units, labels. Labels are few and closed: never a conversation or a user.

const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 0.8, 1, 2.5, 5];
const MS = 1_000;

const LOOP_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.02, 0.03, 0.04, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 1];
const LOOP_TICK_MS = 20;

const PER_CONNECTION = [
  'process_open_fds',
  'nodejs_active_handles',
  'nodejs_active_handles_total',
  'nodejs_active_resources',
  'nodejs_active_resources_total',
  'nodejs_active_requests',
  'nodejs_active_requests_total',
];

export type Metrics = ReturnType<typeof createMetrics>;

export function createMetrics() {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  // They list every open file and handle at each scrape: with 10,000 connections that is most of a stall, and tells nothing new.
  for (const name of PER_CONNECTION) registry.removeSingleMetric(name);

  const connections = new Gauge({ name: 'gapless_ws_connections', help: 'Live connections, event streams too.', registers });
  const framesIn = new Counter({ name: 'gapless_frames_in_total', help: 'Frames from clients.', labelNames: ['type'], registers });
  const errorsOut = new Counter({ name: 'gapless_errors_total', help: 'Error frames to clients.', labelNames: ['code'], registers });
  const closes = new Counter({ name: 'gapless_closes_total', help: 'Connections that ended.', labelNames: ['reason'], registers });
  const deliveries = new Counter({
    name: 'gapless_deliveries_total',
    help: 'Durable frames written to connections; its rate is the fan-out rate.',
    registers,
  });
  const deliveredBytes = new Counter({ name: 'gapless_delivered_bytes_total', help: 'Bytes of them.', registers });
  const writes = new Counter({ name: 'gapless_delivery_writes_total', help: 'Runs of frames they went in.', registers });
  const flush = new Histogram({
    name: 'gapless_delivery_seconds',
    help: 'One flush: from the first frame handed in to the last write.',
    buckets: SECONDS,
    registers,
  });
  const blocked = new Counter({
    name: 'gapless_connections_blocked_total',
    help: 'Times a connection rose above the high water mark.',
    registers,
  });
  const unwritable = new Gauge({ name: 'gapless_connections_unwritable', help: 'Connections that take nothing more now.', registers });
  const ephemeralLost = new Counter({
    name: 'gapless_ephemeral_lost_total',
    help: 'Typing and presence frames that a newer one replaced, or that a slow connection was spared.',
    labelNames: ['how'],
    registers,
  });
  const switches = new Counter({
    name: 'gapless_delivery_switches_total',
    help: 'Conversations that became too large to be pushed, or stopped being so.',
    labelNames: ['to'],
    registers,
  });
  const pulls = new Counter({ name: 'gapless_pulls_total', help: 'Clients that asked for what they were not pushed.', registers });
  const limited = new Counter({
    name: 'gapless_rate_limited_total',
    help: 'Frames, sends and connections that found an empty token bucket, by whose it was.',
    labelNames: ['bucket'],
    registers,
  });
  const joinsWaiting = new Gauge({ name: 'gapless_joins_waiting', help: 'Joins and syncs that wait for their turn.', registers });
  const caughtUp = new Counter({
    name: 'gapless_catch_up_rows_total',
    help: 'Rows read from the store for connections behind the tail.',
    registers,
  });
  const resumes = new Counter({
    name: 'gapless_resumes_total',
    help: 'Joins with a cursor; its rate is the reconnect rate.',
    labelNames: ['reset'],
    registers,
  });
  const repairs = new Counter({
    name: 'gapless_cluster_repairs_total',
    help: 'Times the listeners of a conversation were sent to the store for what did not come from another node.',
    registers,
  });

  watchLoop(
    new Histogram({
      name: 'gapless_event_loop_delay_seconds',
      help: 'How late a timer of 20 ms fired.',
      buckets: LOOP_SECONDS,
      registers,
    }),
  );

  const roomConnections = new Gauge({ name: 'gapless_rooms_connections', help: 'Live connections of the rooms dialect.', registers });
  const roomsJoined = new Gauge({ name: 'gapless_rooms_joined', help: 'Rooms joined, over all connections.', registers });
  const roomFramesIn = new Counter({
    name: 'gapless_rooms_frames_in_total',
    help: 'Frames from clients of the rooms dialect.',
    labelNames: ['type'],
    registers,
  });
  const roomMessagesOut = new Counter({
    name: 'gapless_rooms_messages_out_total',
    help: 'Messages and notices written to connections of the rooms dialect.',
    registers,
  });
  const roomDropped = new Counter({
    name: 'gapless_rooms_dropped_total',
    help: 'Messages that found a full send queue, or gave way there.',
    labelNames: ['policy'],
    registers,
  });

  const gateway: GatewayMetrics = {
    connectionOpened: () => connections.inc(),
    connectionClosed: () => connections.dec(),
    frameIn: (type) => framesIn.inc({ type }),
    errorOut: (code) => errorsOut.inc({ code }),
    closed: (reason) => closes.inc({ reason }),
    delivered(frames, bytes) {
      deliveries.inc(frames);
      deliveredBytes.inc(bytes);
      writes.inc();
    },
    deliveryMs: (ms) => flush.observe(ms / MS),
    blocked() {
      blocked.inc();
      unwritable.inc();
    },
    unblocked: () => unwritable.dec(),
    ephemeralLost: (how, count) => ephemeralLost.inc({ how }, count),
    deliverySwitched: (to) => switches.inc({ to }),
    pulled: () => pulls.inc(),
    limited: (bucket) => limited.inc({ bucket }),
    joinsWaiting: (count) => joinsWaiting.set(count),
    repaired: () => repairs.inc(),
    caughtUp: (rows) => caughtUp.inc(rows),
    resumed: (reset) => resumes.inc({ reset: String(reset) }),
  };
  const rooms: RoomMetrics = {
    connectionOpened: () => roomConnections.inc(),
    connectionClosed(reason) {
      roomConnections.dec();
      closes.inc({ reason });
    },
    joined: () => roomsJoined.inc(),
    left: () => roomsJoined.dec(),
    frameIn: (type) => roomFramesIn.inc({ type }),
    delivered: (count) => roomMessagesOut.inc(count),
    dropped: (policy) => roomDropped.inc({ policy }),
    errorOut: (message) => errorsOut.inc({ code: message.replace(' ', '_') }),
  };
  /** Of `gapless_ws_connections`, which counts all that speak the protocol. */
  function watchStreams(count: () => number): void {
    const collect = function (this: Gauge): void {
      this.set(count());
    };
    new Gauge({ name: 'gapless_sse_connections', help: 'Those of the live connections that are event streams.', registers, collect });
  }
  return {
    registers,
    gateway,
    rooms,
    writer: createWriterMetrics(registers),
    cluster: createClusterMetrics(registers),
    relay: createRelayMetrics(registers),
    twoPhase: createTwoPhaseMetrics(registers),
    watchStreams,
    text: async () => ({ contentType: registry.contentType, body: await registry.metrics() }),
  };
}

/**
 * Cumulative, so that a quantile of any span can be had from two scrapes; nodejs_eventloop_lag_* begin anew at each. A stall is one
 * observation, however many ticks it swallowed.
 */
function watchLoop(delay: Histogram): void {
  let dueMs = performance.now() + LOOP_TICK_MS;
  const tick = () => {
    const nowMs = performance.now();
    delay.observe(Math.max(0, nowMs - dueMs) / MS);
    dueMs = nowMs + LOOP_TICK_MS;
  };
  setInterval(tick, LOOP_TICK_MS).unref();
}
