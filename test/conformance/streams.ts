import { SseClient, signToken } from '@gapless/testkit';
import { afterAll, expect } from 'vitest';
import { LOW_MARKS, range, text, useServer } from './world.ts';

/** An origin other than the server's that may read its streams. */
export const FOREIGN = 'https://app.example.org';

/** A server for a test file, and streams of it that are cut when the file is done. */
export function useStreams() {
  const world = useServer({ env: { ...LOW_MARKS, GAPLESS_ALLOWED_ORIGINS: FOREIGN, GAPLESS_LOG_LEVEL: 'debug' } });
  const streams = new Set<SseClient>();
  afterAll(() => {
    for (const stream of streams) stream.cut();
  });

  async function open(query = '', headers: Record<string, string> = {}): Promise<SseClient> {
    const stream = await SseClient.open({ url: world.server.url, query, headers });
    streams.add(stream);
    return stream;
  }

  async function connected(user: string, { query = '', headers = {} }: { query?: string; headers?: Record<string, string> } = {}) {
    const stream = await open(query, { ...headers, authorization: `Bearer ${await signToken(user)}` });
    await stream.wait('ready');
    return stream;
  }

  async function joined(user: string, cid: string, cursor: object = {}): Promise<SseClient> {
    const stream = await connected(user);
    expect(await stream.send({ t: 'join', cid, ...cursor })).toBe(202);
    await stream.wait('joined');
    return stream;
  }

  /** Messages of `bo`, in order, as many at once as make a batch. */
  async function say(cid: string, from: number, to: number): Promise<void> {
    const bo = await world.connect('bo');
    for (const i of range(from, to)) bo.send({ t: 'send', cid, mid: `m${i}`, ...text(`${i}`) });
    await bo.wait('ack', (frame) => frame.mid === `m${to}`);
    await bo.close();
  }

  return { world, streams, open, connected, joined, say };
}

export const seqs = (stream: SseClient, cid: string) => stream.of('message').flatMap((frame) => (frame.cid === cid ? [frame.seq] : []));
export const codes = (stream: SseClient) => stream.of('error').map(({ code }) => code);
export const code = ({ text: body }: { text: string }) => JSON.parse(body).code;

export async function untilGone(stream: SseClient) {
  for (;;) {
    const answer = await stream.post({ t: 'ping' });
    if (answer.status !== 202) return answer;
  }
}
