import { setTimeout as sleep } from 'node:timers/promises';
import { ulid, ulidBound } from '@gapless/kit';
import type { Stage } from '../stage.ts';

const USER = 'drill-mids';
/** Clients whose own clocks are off, too. */
const CLIENT_CLOCKS_SEC = [-3_600, 0, 3_600];
const TRIES = 20;
const RETRY_MS = 500;

interface Answer {
  readonly seq?: number;
  readonly code?: string;
}

/** Sends messages whose mids are of other times, each by all nodes at once: whatever the clocks say, it is one message with one number. */
export async function judgeMids(stage: Stage): Promise<void> {
  const cid = await stage.cluster.createGroup([USER]);
  const given = new Set<number>();
  for (const seconds of CLIENT_CLOCKS_SEC) {
    const mid = ulidBound(Date.now() + seconds * 1_000) + ulid(Date.now()).slice(-16);
    const seqs = new Set(await Promise.all(stage.cluster.urls.map((url) => send(stage, `${url}/v1/conversations/${cid}/messages`, mid))));
    if (seqs.size > 1) stage.broken(`a mid ${seconds} s off, sent by every node, is seq ${[...seqs].join(' and ')}`);
    for (const seq of seqs) given.add(seq);
  }
  const expected = CLIENT_CLOCKS_SEC.map((_, i) => i + 1);
  if ([...given].join() !== expected.join())
    stage.broken(`${expected.length} messages with mids of other times have the seqs ${[...given].join()}`);
}

/** Until it has an answer that counts: the first send after a jump may be asked for patience. */
async function send({ cluster }: Stage, url: string, mid: string): Promise<number> {
  let answer: Answer = {};
  for (let tries = 0; tries < TRIES; tries++) {
    const response = await fetch(url, {
      method: 'POST',
      headers: { authorization: `Bearer ${cluster.token(USER)}`, 'content-type': 'application/json' },
      body: JSON.stringify({ mid, kind: 'text', body: { text: mid } }),
    });
    answer = (await response.json()) as Answer;
    if (answer.seq !== undefined) return answer.seq;
    await sleep(RETRY_MS);
  }
  throw new Error(`sending a mid is answered ${answer.code}`);
}
