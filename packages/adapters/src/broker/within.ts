/** Rejects when it lasts longer; what comes of it later is dropped. */
export async function within<T>(timeoutMs: number, what: string, work: Promise<T>): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  // After a turn that kept this process busy for so long the answer may be there, only not read yet.
  const timer = setTimeout(() => setImmediate(() => reject(new Error(`${what} took longer than ${timeoutMs} ms`))), timeoutMs);
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
