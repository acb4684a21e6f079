import { bodyDigest } from '../digest.ts';
import { type HistoryEvent, historyEnd, historyEvent } from './event.ts';
import { marksOf } from './message-marks.ts';

const PAGE = 200;

interface Page {
  readonly items: readonly {
    seq: number;
    mid: string;
    from: string;
    body: unknown;
    editedAt?: number;
    recalledAt?: number;
    kind: string;
    stage?: 'accepted';
  }[];
}

/** The whole history of a conversation, as the server gives it to the bearer of `token`. */
export async function* serverLog({ url, token, cid }: { url: string; token: string; cid: string }): AsyncGenerator<HistoryEvent> {
  for (let after = 0; ; ) {
    const { items } = await page(`${url}/v1/conversations/${encodeURIComponent(cid)}/messages?after=${after}&limit=${PAGE}`, token);
    for (const item of items) {
      yield historyEvent(cid, { seq: item.seq, mid: item.mid, from: item.from, h: bodyDigest(item.body), ...marksOf(item) });
      after = item.seq;
    }
    if (items.length < PAGE) break;
  }
  yield historyEnd(cid);
}

async function page(url: string, token: string): Promise<Page> {
  const response = await fetch(url, { headers: { authorization: `Bearer ${token}` } });
  if (!response.ok) throw new Error(`${url} answers ${response.status}: ${(await response.text()).slice(0, 200)}`);
  return (await response.json()) as Page;
}
