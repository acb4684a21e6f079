export { assert, unreachable } from './assert.ts';
export { Backoff, type BackoffOptions } from './backoff.ts';
export { type Clock, systemClock } from './clock.ts';
export { ulid } from './ids.ts';
export { TokenBucket } from './token-bucket.ts';
