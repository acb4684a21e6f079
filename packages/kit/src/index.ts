export { assert, unreachable } from './assert.ts';
export { Backoff, type BackoffOptions } from './backoff.ts';
export { type Clock, systemClock } from './clock.ts';
export { hashOf } from './hash.ts';
export { isUlid, ulid, ulidBound } from './ids.ts';
export { seededRandom } from './random.ts';
export { TokenBucket } from './token-bucket.ts';
