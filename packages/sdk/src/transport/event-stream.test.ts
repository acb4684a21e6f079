import { expect, test } from 'vitest';
import { readEvents } from './event-stream.ts';

// Goal: the events of a stream, however it is cut into chunks. Method: every cut of one text.

async function read(chunks: Uint8Array[]): Promise<string[]> {
  const events: string[] = [];
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      for (const chunk of chunks) controller.enqueue(chunk);
      controller.close();
    },
  });
  for await (const { event, data } of readEvents(body)) events.push(`${event}|${data}`);
  return events;
}

const bytes = new TextEncoder().encode(
  ': a comment\nevent: conn\ndata: {"conn":"c"}\n\nid: 1\ndata: 你好 👋\n\nevent: none\n\nretry\r\ndata:two\r\ndata:  lines: x\r\n\r\ndata\n\ndata: half',
);
const events = ['conn|{"conn":"c"}', 'message|你好 👋', 'message|two\n lines: x', 'message|'];

test('any two chunks, and byte by byte', async () => {
  for (let at = 0; at <= bytes.length; at++) expect(await read([bytes.subarray(0, at), bytes.subarray(at)])).toEqual(events);
  expect(await read(Array.from(bytes, (byte) => new Uint8Array([byte])))).toEqual(events);
});
