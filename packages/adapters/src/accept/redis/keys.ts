/** A text as Redis takes it. Half a surrogate pair has no UTF-8: written as JSON does, it stays what it is. */
export function bytesOf(text: string): string {
  return text.isWellFormed() ? text : JSON.stringify(text);
}

export function streamOf(prefix: string, epoch: number, shard: number): string {
  return `${prefix}:{${epoch}}:${shard}`;
}

/** Everything of one epoch, as a pattern of SCAN. */
export function patternOf(prefix: string, epoch: number): string {
  return `${prefix.replaceAll(/[\\*?[\]^-]/g, '\\$&')}:{${epoch}}:*`;
}
