export { freePort } from './free-port.ts';
export { findKafka, startKafka } from './kafka.ts';
export { findNats, type NatsOptions, startNats } from './nats.ts';
export { createDatabase, findPostgres, type PostgresOptions, type RunningPostgres, startPostgres } from './postgres.ts';
export { familyCpuSec } from './process-family.ts';
export { type CutProxy, type ProxyOptions, startProxy } from './proxy.ts';
export { findRedis, type RedisOptions, startRedis, tellRedis } from './redis.ts';
export { type NotHere, type RunningService, type ServicePlan, startService } from './service.ts';
export { endWithUs } from './watchdog.ts';
