import { createHash } from 'node:crypto';
import type { Topic } from '@gapless/core';

/** Where a topic's messages are: in one Kafka topic for many, told apart by their key. */
export interface Place {
  readonly topic: string;
  /** Also what keeps the order: one key is always in the same partition. */
  readonly key: string;
}

/** For all rooms. */
export const ROOMS = 'rt.room.v1';
/** For everything else. */
export const REST = 'gapless.v1';

/** Longest name of a Kafka topic. */
const TOPIC_MAX_CHARS = 249;
const ROOM = '{room}';

/** With `{room}` in the template each room has a Kafka topic of its own. */
export function placeOf({ kind, name }: Topic, template: string): Place {
  if (kind !== 'room') return { topic: REST, key: `${kind}:${name}` };
  return { topic: isPerRoom(template) ? template.replace(ROOM, () => fitName(name, template)) : template, key: name };
}

export function isPerRoom(template: string): boolean {
  return template.includes(ROOM);
}

/** A template that Kafka would refuse later is refused at once. */
export function checkTemplate(template: string): void {
  const sample = template.replace(ROOM, 'x');
  if (!/^[a-zA-Z0-9._-]+$/.test(sample)) throw new Error(`a Kafka topic has letters, digits, '.', '_' and '-' only: ${template}`);
  if (template.length > TOPIC_MAX_CHARS - DIGEST_CHARS) throw new Error(`the topic template is too long: ${template}`);
}

/** `-h` and a SHA-256. */
const DIGEST_CHARS = 66;

/**
 * The name in letters, digits and `_`; anything else as `-` and two hex digits for each UTF-8 byte, so that no two names become one. The
 * dot too: Kafka takes `a.b` and `a_b` for a collision. What gets too long is its digest.
 */
function fitName(name: string, template: string): string {
  const escaped = name.replace(/[^a-zA-Z0-9_]/gu, (char) => Buffer.from(char).toString('hex').replace(/../g, '-$&'));
  if (escaped.length + template.length <= TOPIC_MAX_CHARS) return escaped;
  return `-h${createHash('sha256').update(name).digest('hex')}`;
}
