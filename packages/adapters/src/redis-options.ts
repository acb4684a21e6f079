/**
 * Command options of a Redis client whose owner watches that answers come. The library's own bound makes an `AbortSignal.timeout` for each
 * command: some 700 bytes that outlive every young garbage collection, however quick the answer.
 */
export const NO_TIMEOUT = { timeout: 0 };
