export type { ErrorCode } from '@gapless/protocol/codes';
export { createAccount } from './account.ts';
export { createClient } from './client.ts';
export { GaplessError } from './errors.ts';
export { indexedDbOutbox, memoryOutbox } from './outbox.ts';
export * from './types.ts';
export { ulid } from './ulid.ts';
