import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import fc from 'fast-check';
import { afterAll, expect, test } from 'vitest';
import { SocketWriter } from './socket-writer.ts';

// Goal: bytes come through in their order, and their unsent number is true. Method: real sockets, whose far end reads when it is told to.

const server = createServer();
const port = new Promise<number>((resolve) => server.listen(0, '127.0.0.1', () => resolve((server.address() as { port: number }).port)));
afterAll(() => server.close());

async function pair(): Promise<{ near: Socket; far: Socket }> {
  const accepted = once(server, 'connection') as Promise<[Socket]>;
  const far = connect({ port: await port, host: '127.0.0.1' });
  const [near] = await accepted;
  far.pause();
  return { near, far };
}

/** What arrives, until there are `count` bytes. */
async function read(far: Socket, count: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of far as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes >= count) break;
  }
  return Buffer.concat(chunks);
}

const pattern = (length: number, seed: number) => Buffer.from(Uint8Array.from({ length }, (_, i) => (i * 7 + seed) & 255));

test('whatever is written comes through in order', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 300_000 }), { minLength: 1, maxLength: 30 }), async (sizes) => {
      const { near, far } = await pair();
      const writer = new SocketWriter(near, () => {});
      const written = sizes.map((size, i) => pattern(size, i));
      for (const bytes of written) writer.write(bytes);
      const expected = Buffer.concat(written);
      expect((await read(far, expected.length)).equals(expected)).toBe(true);
      near.destroy();
    }),
    { numRuns: 30 },
  );
});

test('a reader that takes some of it shows as progress, long before the last byte', async () => {
  const { near, far } = await pair();
  const seen: number[] = [];
  const writer = new SocketWriter(near, () => seen.push(writer.unsentBytes));
  // More than kernels keep for one connection.
  const total = 64 * 1024 * 1024;
  writer.write(Buffer.alloc(total));
  expect(writer.unsentBytes).toBeGreaterThan(0);
  await read(far, total);
  while (writer.unsentBytes > 0) await new Promise((resolve) => setImmediate(resolve));
  expect(seen.length).toBeGreaterThan(5);
  expect(seen).toEqual([...seen].sort((a, b) => b - a));
  expect(seen.at(-1)).toBe(0);
  near.destroy();
});

test('what someone else writes to the socket comes behind what was handed over', async () => {
  const { near, far } = await pair();
  const writer = new SocketWriter(near, () => {});
  const big = pattern(8 * 1024 * 1024, 1);
  writer.write(big);
  writer.handOver();
  near.end('close frame');
  const all = await read(far, big.length + 'close frame'.length);
  expect(all.subarray(0, big.length).equals(big)).toBe(true);
  expect(all.subarray(big.length).toString()).toBe('close frame');
});
