import { lineEnd, type Protocol } from './frame-filter.ts';

const MESSAGE_KINDS = new Set(['message', 'pmessage', 'smessage']);
const SUBSCRIBED_KINDS = new Set(['subscribe', 'psubscribe', 'ssubscribe']);
/** An array of two to four values whose first is a short word: what pub/sub says begins so. RESP3 marks it by `>`, RESP2 does not. */
const PUB_SUB = /^[*>][234]\r\n\$\d+\r\n([a-z]+)\r\n/;
/** Longest beginning that the pattern looks at. */
const HEAD_BYTES = 32;

/** RESP, version 2 and 3. */
export function redisProtocol(): Protocol {
  let subscribed = false;
  return {
    frameEnd: valueEnd,
    isMessage(frame) {
      const head = frame.toString('latin1', 0, HEAD_BYTES);
      const kind = PUB_SUB.exec(head)?.[1];
      if (kind === undefined) return false;
      // To version 2 a list that a command answers looks alike, but a connection that subscribed may ask no such command.
      subscribed ||= SUBSCRIBED_KINDS.has(kind);
      return MESSAGE_KINDS.has(kind) && (subscribed || head.startsWith('>'));
    },
  };
}

/** How many values stand inside, for each unit of the length: maps hold pairs, and an attribute stands before the value it is about. */
const VALUES_PER_UNIT: Readonly<Record<string, number>> = { '*': 1, '~': 1, '>': 1, '%': 2, '|': 2 };
/** Those whose length is in bytes: string, error, verbatim string. */
const IN_BYTES = new Set(['$', '!', '=']);

function valueEnd(bytes: Buffer, start: number): number | undefined {
  const end = lineEnd(bytes, start);
  if (end === undefined) return undefined;
  const type = String.fromCharCode(bytes[start]!);
  const length = Number(bytes.toString('latin1', start + 1, end - 2));
  if (IN_BYTES.has(type)) return length < 0 ? end : within(bytes, end + length + 2);
  let values = (VALUES_PER_UNIT[type] ?? 0) * Math.max(0, length);
  if (type === '|') values++;
  let at: number | undefined = end;
  for (; values > 0 && at !== undefined; values--) at = valueEnd(bytes, at);
  return at;
}

function within(bytes: Buffer, end: number): number | undefined {
  return end <= bytes.length ? end : undefined;
}
