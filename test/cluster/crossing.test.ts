import { expect, test } from 'vitest';
import { messages, next, text } from '../conformance/world.ts';
import { startCluster, stopAll } from './cluster.ts';
import { overEach } from './nodes.ts';

// Goal: what happens on one node is seen on the other at once. Method: two real nodes, a client on each.

await overEach(['redis', 'nats', 'kafka'], ({ server, env }) => {
  test('messages, receipts and typing go both ways', async () => {
    const cluster = await startCluster({ nodes: 2, env });
    const [here, there] = cluster.nodes as [(typeof cluster.nodes)[0], (typeof cluster.nodes)[0]];
    const cid = await cluster.group('ada', 'bo');
    const [ada, bo, phone] = [await cluster.connect(here, 'ada'), await cluster.connect(there, 'bo'), await cluster.connect(there, 'ada')];
    for (const client of [ada, bo, phone]) await client.join(cid);
    for (let i = 1; i <= 20; i++) {
      await (i % 2 === 1 ? ada : bo).say(cid, `m${i}`);
      // The next one only after all have this one: so the order is known.
      for (const client of [ada, bo, phone]) await client.wait('message', ({ seq }) => seq === i);
    }
    for (const client of [ada, bo, phone]) expect(messages(client, cid).map(({ seq, mid }) => `${seq} ${mid}`)).toEqual(numbered(20));
    bo.send({ t: 'ack', cid, pos: 20 });
    await ada.wait('delivered', ({ from, pos }) => from === 'bo' && pos === 20);
    ada.send({ t: 'read', cid, pos: 20 });
    await bo.wait('read', ({ from, pos }) => from === 'ada' && pos === 20);
    await phone.wait('read', ({ from, pos }) => from === 'ada' && pos === 20);
    bo.send({ t: 'typing', cid, on: true });
    expect(await ada.wait('typing')).toEqual({ t: 'typing', cid, from: 'bo', on: true });
    await stopAll(cluster.nodes);
  });

  test('who is let in on one node is told on the other, and silent and refused there when put out', async () => {
    const cluster = await startCluster({ nodes: 2, env });
    const [here, there] = cluster.nodes as [(typeof cluster.nodes)[0], (typeof cluster.nodes)[0]];
    const cid = await cluster.group('ada', 'bo', 'dee');
    const backend = await cluster.backend(here);
    const members = `/v1/conversations/${cid}/participants`;
    const [ada, bo, cy, dee] = [
      await cluster.connect(here, 'ada'),
      await cluster.connect(there, 'bo'),
      await cluster.connect(there, 'cy'),
      await cluster.connect(there, 'dee'),
    ];
    for (const client of [ada, bo, dee]) await client.join(cid);
    const refused = async (client: typeof cy, frame: object) => {
      const answer = next(client, 'error');
      client.send({ cid, ...frame });
      expect(await answer).toMatchObject({ code: 'not_participant' });
    };

    expect((await backend.call('POST', members, { userIds: ['cy'] })).status).toBeLessThan(300);
    await cy.wait('conversation', ({ op }) => op === 'added');
    await cy.join(cid);
    await ada.say(cid, 'for-all');
    await cy.wait('message', ({ mid }) => mid === 'for-all');
    await cy.say(cid, 'thanks');
    await ada.wait('message', ({ mid }) => mid === 'thanks');

    expect((await backend.call('DELETE', `${members}/cy`)).status).toBe(204);
    await ada.say(cid, 'without-cy');
    await bo.wait('message', ({ mid }) => mid === 'without-cy');
    await cy.wait('conversation', ({ op }) => op === 'removed');
    await refused(cy, { t: 'send', mid: 'after', ...text('x') });
    await refused(cy, { t: 'join' });

    // The broker tells nobody of this one.
    await server.stop();
    expect((await backend.call('DELETE', `${members}/dee`)).status).toBe(204);
    await refused(dee, { t: 'send', mid: 'in-the-dark', ...text('x') });
    await ada.say(cid, 'without-dee');
    await bo.wait('message', ({ mid }) => mid === 'without-dee');
    await refused(dee, { t: 'join' });
    await server.start();
    await dee.wait('conversation', ({ op }) => op === 'removed');
    await ada.say(cid, 'still-without');
    await bo.wait('message', ({ mid }) => mid === 'still-without');
    await Promise.all([cy.settle(), dee.settle()]);
    expect(messages(cy, cid).map(({ mid }) => mid)).toEqual(['for-all', 'thanks']);
    expect(messages(dee, cid).map(({ mid }) => mid)).toEqual(['for-all', 'thanks', 'without-cy']);
    await stopAll(cluster.nodes);
  });
});

const numbered = (count: number) => Array.from({ length: count }, (_, i) => `${i + 1} m${i + 1}`);
