import { once } from 'node:events';
import { setTimeout } from 'node:timers/promises';
import { startKafka, startNats, startPostgres, startRedis } from '@gapless/testkit';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect as connectNats } from '@nats-io/transport-node';
import { Consumer, MessagesStreamModes, Producer, stringDeserializers, stringSerializers } from '@platformatic/kafka';
import { createClient } from '@redis/client';
import postgres from 'postgres';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { NotHere, RunningService } from './service.ts';

// Goal: the servers that other tests rely on do what those take for granted. Method: what a client wrote is read again after each event.

interface Service {
  readonly name: string;
  open(): Promise<RunningService | NotHere>;
  write(url: string): Promise<unknown>;
  /** What was written, or fails. */
  read(url: string): Promise<unknown>;
}

const SERVICES: readonly Service[] = [
  {
    name: "npm's PostgreSQL",
    open: () => startPostgres({ which: 'npm' }),
    write: (url) => query(url, "create table kept as select 'written' as value"),
    read: async (url) => (await query(url, 'select value from kept'))[0]!.value,
  },
  {
    name: "Debian's PostgreSQL",
    open: () => startPostgres({ which: 'debian' }),
    write: (url) => query(url, "create table kept as select 'written' as value"),
    read: async (url) => (await query(url, 'select value from kept'))[0]!.value,
  },
  {
    name: 'Redis with a file',
    open: () => startRedis({ settings: { appendonly: 'yes', appendfsync: 'always' } }),
    write: (url) => withRedis(url, (client) => client.set('kept', 'written')),
    read: (url) => withRedis(url, (client) => client.get('kept')),
  },
  {
    name: 'NATS with JetStream',
    open: () => startNats({ jetStream: true }),
    async write(url) {
      const nats = await connectNats({ servers: url });
      await (await jetstreamManager(nats)).streams.add({ name: 'kept', subjects: ['kept'] });
      await jetstream(nats).publish('kept', 'written');
      await nats.close();
    },
    async read(url) {
      const nats = await connectNats({ servers: url });
      const message = await (await jetstreamManager(nats)).streams.getMessage('kept', { seq: 1 });
      await nats.close();
      return message?.string();
    },
  },
  {
    name: 'Kafka',
    open: startKafka,
    async write(url) {
      const producer = new Producer({
        clientId: 'test',
        bootstrapBrokers: [new URL(url).host],
        serializers: stringSerializers,
        autocreateTopics: true,
      });
      await producer.send({ messages: [{ topic: 'kept', value: 'written' }], acks: -1 });
      await producer.close();
    },
    async read(url) {
      const options = { clientId: 'test', groupId: crypto.randomUUID(), bootstrapBrokers: [new URL(url).host] };
      const consumer = new Consumer({ ...options, deserializers: stringDeserializers });
      const stream = await consumer.consume({ topics: ['kept'], mode: MessagesStreamModes.EARLIEST });
      const [message] = await once(stream, 'data');
      await consumer.close(true);
      return message.value;
    },
  },
];

async function query(url: string, text: string): Promise<postgres.Row[]> {
  const sql = postgres(url, { max: 1 });
  try {
    return await sql.unsafe(text);
  } finally {
    await sql.end();
  }
}

const redisAt = (url: string) => createClient({ url }).connect();

async function withRedis<T>(url: string, use: (client: Awaited<ReturnType<typeof redisAt>>) => Promise<T>): Promise<T> {
  const client = await redisAt(url);
  const result = await use(client);
  await client.close();
  return result;
}

describe.each(SERVICES)('$name', ({ open, write, read }) => {
  let server: RunningService;
  let missing: string | undefined;

  beforeAll(async () => {
    const opened = await open();
    if ('reason' in opened) missing = opened.reason;
    else server = opened;
  });
  beforeEach((context) => {
    if (missing !== undefined) context.skip(missing);
  });
  afterAll(() => server?.remove());

  test('keeps what was written, after an orderly end, even of a paused one, and after none', async () => {
    await write(server.url);
    server.pause();
    await server.stop();
    await server.start();
    expect(await read(server.url)).toBe('written');
    await server.kill();
    await server.start();
    expect(await read(server.url)).toBe('written');
  });

  test('does not answer while it is paused', async () => {
    server.pause();
    const reading = read(server.url);
    // Only to give one that is not paused the time to answer.
    expect(await Promise.race([reading, setTimeout(200, 'nothing')])).toBe('nothing');
    server.resume();
    expect(await reading).toBe('written');
  });

  test('says its version and its CPU seconds', (context) => {
    context.skip(process.platform !== 'linux', 'CPU seconds are read from /proc');
    expect(server.version).toMatch(/^\d+\.\d+/);
    expect(server.cpuSec()).toBeGreaterThanOrEqual(0);
  });
});
