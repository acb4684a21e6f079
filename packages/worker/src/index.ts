export { type AcceptWorkerDeps, type AcceptWorkerLimits, AcceptWorkers } from './accept/index.ts';
export { busConsumer, toCloudEvent } from './bus-consumer.ts';
export { RELAY_LIMITS, type RelayLimits } from './limits.ts';
export type { RelayMetrics } from './metrics.ts';
export { type Consumer, Relay, type RelayOptions } from './relay.ts';
