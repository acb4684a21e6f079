import type { NotHere, RunningService } from '@gapless/launch';
import { connect, headers, type NatsConnection } from '@nats-io/transport-node';
import { createClient } from '@redis/client';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { startNats, startRedis } from '../launch/noted.ts';
import { type LossyProxy, startLossyNats, startLossyRedis } from './index.ts';

// Goal: the proxies lose the share of messages they are told to, and nothing else.
// Method: the real servers and client libraries; a last message, passed for sure, tells that all before it was passed or dropped.

const SHARE = 0.3;
const MESSAGES = 400;
/** So long that a message comes in several chunks. */
const LONG = 'x'.repeat(200_000);

const range = (count: number) => Array.from({ length: count }, (_, at) => String(at));

describe.each(['RESP2', 'RESP3'] as const)('redis, %s', (version) => {
  const RESP = version === 'RESP2' ? 2 : 3;
  let server: RunningService | NotHere;
  let proxy: LossyProxy;
  const open = async (url: string) => {
    const client = createClient({ url, RESP });
    client.on('error', () => {});
    await client.connect();
    return client;
  };

  beforeAll(async () => {
    server = await startRedis();
    if (!('reason' in server)) proxy = await startLossyRedis({ target: server, share: 0, seed: 1 });
  });
  beforeEach((context) => {
    if ('reason' in server) context.skip(server.reason);
  });
  afterAll(async () => {
    if ('reason' in server) return;
    await proxy.remove();
    await server.remove();
  });

  /** Subscribes through the proxy and publishes straight to the server; returns what arrived. */
  async function publish(count: number, body = ''): Promise<string[]> {
    const subscriber = await open(proxy.url);
    const publisher = await open((server as RunningService).url);
    const got: string[] = [];
    const last = Promise.withResolvers<void>();
    const take = (message: string) => (message === 'last' ? last.resolve() : void got.push(message));
    await subscriber.subscribe('plain', take);
    await subscriber.pSubscribe('pat*', take);
    await subscriber.sSubscribe('sharded', take);
    for (const at of range(count)) await publisher.publish(['plain', 'pattern'][Number(at) % 2]!, at + body);
    for (const at of range(count)) await publisher.sPublish('sharded', at + body);
    // The answer stands behind all the messages.
    await subscriber.ping();
    proxy.setShare(0);
    await publisher.publish('plain', 'last');
    await last.promise;
    subscriber.destroy();
    publisher.destroy();
    return got;
  }

  test('passes all when it is to lose none', async () => {
    proxy.setShare(0);
    expect(await publish(3, LONG)).toEqual([...range(3), ...range(3)].map((at) => at + LONG));
  });

  test('loses about the share, and counts them', async () => {
    const before = proxy.dropped;
    proxy.setShare(SHARE);
    const got = await publish(MESSAGES);
    const lost = proxy.dropped - before;
    expect(got.length + lost).toBe(2 * MESSAGES);
    // Five standard deviations on either side.
    expect(lost / (2 * MESSAGES)).toBeGreaterThan(0.22);
    expect(lost / (2 * MESSAGES)).toBeLessThan(0.38);
  });

  test('loses no answer of a command', async () => {
    const before = proxy.dropped;
    proxy.setShare(1);
    const client = await open(proxy.url);
    await client.del(['list', 'map']);
    await client.rPush('list', ['message', 'smessage', LONG]);
    await client.hSet('map', { message: '1', pmessage: '2' });
    expect(await client.lRange('list', 0, -1)).toEqual(['message', 'smessage', LONG]);
    expect({ ...(await client.hGetAll('map')) }).toEqual({ message: '1', pmessage: '2' });
    expect(await client.eval("return {'message', 1, {'a', false}}")).toEqual(['message', 1, ['a', null]]);
    expect(await client.get('nothing')).toBe(null);
    await expect(client.hGet('list', 'x')).rejects.toThrow('WRONGTYPE');
    client.destroy();
    expect(proxy.dropped).toBe(before);
  });

  test('an outage breaks connections, refuses new ones, and ends', async () => {
    proxy.setShare(0);
    const client = await open(proxy.url);
    const broken = new Promise((resolve) => client.once('error', resolve));
    await proxy.stop();
    await broken;
    client.destroy();
    const refused = createClient({ url: proxy.url, socket: { reconnectStrategy: false } });
    refused.on('error', () => {});
    await expect(refused.connect()).rejects.toThrow('ECONNREFUSED');
    await proxy.start();
    expect(await publish(1)).toEqual(['0', '0']);
  });
});

describe('nats', () => {
  let server: RunningService | NotHere;
  let proxy: LossyProxy;

  beforeAll(async () => {
    server = await startNats();
    if (!('reason' in server)) proxy = await startLossyNats({ target: server, share: 0, seed: 1 });
  });
  beforeEach((context) => {
    if ('reason' in server) context.skip(server.reason);
  });
  afterAll(async () => {
    if ('reason' in server) return;
    await proxy.remove();
    await server.remove();
  });

  /** The same, every other message with headers. */
  async function publish(count: number, body = ''): Promise<string[]> {
    const subscriber = await connect({ servers: proxy.url });
    const publisher: NatsConnection = await connect({ servers: (server as RunningService).url });
    const got: string[] = [];
    const last = Promise.withResolvers<void>();
    subscriber.subscribe('test.*', {
      callback: (_error, message) => (message.string() === 'last' ? last.resolve() : void got.push(message.string())),
    });
    await subscriber.flush();
    const withHeader = headers();
    withHeader.set('kind', 'MSG test 1 5');
    for (const at of range(count)) publisher.publish('test.a', at + body, Number(at) % 2 === 0 ? {} : { headers: withHeader });
    await publisher.flush();
    // The answer stands behind all the messages.
    await subscriber.flush();
    proxy.setShare(0);
    publisher.publish('test.a', 'last');
    await last.promise;
    await subscriber.close();
    await publisher.close();
    return got;
  }

  test('passes all when it is to lose none', async () => {
    proxy.setShare(0);
    expect(await publish(3, LONG)).toEqual(range(3).map((at) => at + LONG));
  });

  test('loses about the share, and counts them', async () => {
    const before = proxy.dropped;
    proxy.setShare(SHARE);
    const got = await publish(MESSAGES);
    const lost = proxy.dropped - before;
    expect(got.length + lost).toBe(MESSAGES);
    // Five standard deviations on either side.
    expect(lost / MESSAGES).toBeGreaterThan(0.18);
    expect(lost / MESSAGES).toBeLessThan(0.42);
  });

  test('an outage breaks connections, refuses new ones, and ends', async () => {
    proxy.setShare(0);
    const client = await connect({ servers: proxy.url, reconnect: false });
    await proxy.stop();
    await client.closed();
    await expect(connect({ servers: proxy.url, reconnect: false })).rejects.toThrow(/refused/i);
    await proxy.start();
    expect(await publish(1)).toEqual(['0']);
  });
});
