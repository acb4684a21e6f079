import { type Admin, MultipleErrors, ProtocolError, UserError } from '@platformatic/kafka';

/** Order is per key, so more only spread the work over Kafka's nodes; each is a file, and a part of every fetch. */
const PARTITIONS = 4;
/** What is older than a moment is of no use: what was missed comes from the store. Whole segments are deleted, so they are short too. */
const CONFIGS = [
  { name: 'retention.ms', value: `${10 * 60_000}` },
  { name: 'segment.ms', value: `${5 * 60_000}` },
];

/** Makes those that are not there; one that is there is left as it is. */
export async function makeTopics(admin: Admin, topics: string[]): Promise<void> {
  const there = new Set(await admin.listTopics());
  for (const topic of topics) if (!there.has(topic)) await make(admin, topic);
}

async function make(admin: Admin, topic: string): Promise<void> {
  try {
    await admin.createTopics({ topics: [topic], partitions: PARTITIONS, configs: CONFIGS });
  } catch (error) {
    if (!isErrorOf(['TOPIC_ALREADY_EXISTS'], error)) throw error;
  }
}

/** The topic is not there: for the client's own look at the metadata too, which says it in words only. */
export function isUnknownTopic(error: unknown): boolean {
  return isErrorOf(['UNKNOWN_TOPIC_OR_PARTITION'], error) || (error instanceof UserError && error.message.startsWith('Unknown topic '));
}

/** Passes by itself, as Kafka says: the topic was made just now, or its node has just started. */
export function isUnready(error: unknown): boolean {
  if (error instanceof MultipleErrors) return error.errors.length > 0 && error.errors.every(isUnready);
  return isUnknownTopic(error) || (error instanceof ProtocolError && error.canRetry === true);
}

/** All that went wrong is one of these, by the names of the Kafka protocol. */
export function isErrorOf(names: string[], error: unknown): boolean {
  if (error instanceof MultipleErrors) return error.errors.length > 0 && error.errors.every((inner) => isErrorOf(names, inner));
  return error instanceof ProtocolError && names.some((name) => error.findBy('apiId', name) !== null);
}
