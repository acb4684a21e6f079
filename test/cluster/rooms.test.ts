import { connect as connectNats } from '@nats-io/transport-node';
import { Consumer, MessagesStreamModes, Producer, stringDeserializers, stringSerializers } from '@platformatic/kafka';
import { createClient } from '@redis/client';
import { expect, onTestFinished, test } from 'vitest';
import { RoomClient } from '../conformance/room-client.ts';
import { startCluster, stopAll, until } from './cluster.ts';
import { type BrokerName, overEach } from './nodes.ts';

// Goal: rooms span nodes, over channels that any other program can listen to and speak on (PROTOCOL, section 8). Method: two real nodes,
// and the broker's own client library.

/** The channel of the room r1, as another program sees it. */
interface Channel {
  readonly heard: string[];
  say(payload: string): Promise<unknown>;
}

const OPEN: Record<BrokerName, (url: string) => Promise<Channel>> = {
  async redis(url) {
    const [listener, speaker] = [await createClient({ url }).connect(), await createClient({ url }).connect()];
    onTestFinished(async () => void (await Promise.all([listener.close(), speaker.close()])));
    const heard: string[] = [];
    await listener.subscribe('rt:room:r1', (payload) => heard.push(payload));
    return { heard, say: (payload) => speaker.publish('rt:room:r1', payload) };
  },
  async nats(url) {
    const nats = await connectNats({ servers: url });
    onTestFinished(() => nats.close());
    const heard: string[] = [];
    nats.subscribe('rt.room.r1', { callback: (_error, message) => void heard.push(message.string()) });
    await nats.flush();
    return { heard, say: async (payload) => nats.publish('rt.room.r1', payload) };
  },
  async kafka(url) {
    const bootstrapBrokers = [new URL(url).host];
    const producer = new Producer({ clientId: 'foreign', bootstrapBrokers, serializers: stringSerializers, autocreateTopics: true });
    const consumer = new Consumer({
      clientId: 'foreign',
      groupId: crypto.randomUUID(),
      bootstrapBrokers,
      deserializers: stringDeserializers,
    });
    onTestFinished(async () => {
      await consumer.close(true);
      await producer.close();
    });
    const heard: string[] = [];
    const stream = await consumer.consume({ topics: ['rt.room.v1'], mode: MessagesStreamModes.EARLIEST });
    stream.on('data', ({ key, value }) => {
      if (key === 'r1') heard.push(value);
    });
    return { heard, say: (value) => producer.send({ messages: [{ topic: 'rt.room.v1', key: 'r1', value }], acks: 1 }) };
  },
};

await overEach(['redis', 'nats', 'kafka'], ({ server, env }, name) => {
  test('members on two nodes hear each other, and programs on the channel hear and are heard', async () => {
    const cluster = await startCluster({ nodes: 2, env });
    const [ada, bo] = [await RoomClient.connect(cluster.nodes[0]!.url, 'ada'), await RoomClient.connect(cluster.nodes[1]!.url, 'bo')];
    await ada.join('r1');
    await bo.join('r1');
    const channel = await OPEN[name](server.url);
    ada.send({ type: 'message', room: 'r1', text: 'from ada' });
    await bo.wait('message', ({ data }) => data.text === 'from ada');
    bo.send({ type: 'message', room: 'r1', data: { n: 1 } });
    await ada.wait('message', ({ data }) => data.n === 1);
    bo.send({ type: 'direct', data: { to: 'ada', text: 'psst' } });
    expect(await ada.wait('direct')).toMatchObject({ room: null, data: { to: 'ada', text: 'psst' }, sender_id: 'bo' });

    const messages = () => channel.heard.map((payload) => JSON.parse(payload)).filter(({ type }) => type === 'message');
    await until(() => messages().length === 2, 'the channel has both messages');
    expect(messages()).toEqual([
      { type: 'message', room: 'r1', data: { text: 'from ada' }, ts: expect.stringMatching(/^\d{4}-.*Z$/), sender_id: 'ada' },
      { type: 'message', room: 'r1', data: { n: 1 }, ts: expect.stringMatching(/^\d{4}-.*Z$/), sender_id: 'bo' },
    ]);
    for (const message of messages()) expect(Object.keys(message)).toEqual(['type', 'room', 'data', 'ts', 'sender_id']);

    const foreign = { type: 'message', room: 'r1', data: { text: 'grüße 👋' }, ts: new Date().toISOString(), sender_id: 'a program' };
    await channel.say(JSON.stringify(foreign));
    for (const member of [ada, bo]) {
      expect(await member.wait('message', ({ sender_id }) => sender_id === 'a program')).toEqual(foreign);
      expect(member.of('message')).toHaveLength(3);
    }
    for (const member of [ada, bo]) {
      member.socket.close();
      await member.closed;
    }
    await stopAll(cluster.nodes);
  });
});
