import type { Broker } from '@gapless/core';
import { expect } from 'vitest';
import { Inbox, listen, type Nodes, room } from './broker-nodes.ts';
import type { Cases } from './contract.ts';

/** What must hold when the server between the nodes goes away and comes back. */
export const outageCases: Cases<Nodes> = {
  async 'publishing and checking reject; then restored is called, and every topic is listened to again; also the second time'(nodes) {
    const [a, b] = [nodes.broker, await nodes.another()];
    const rooms = Array.from({ length: 50 }, (_, i) => room(`r${i}`));
    const inboxesOf = (broker: Broker) => Promise.all(rooms.map((topic) => listen(broker, topic)));
    const sides = [
      { name: 'a', broker: a, inboxes: await inboxesOf(a) },
      { name: 'b', broker: b, inboxes: await inboxesOf(b) },
    ];
    let told = 0;
    const unwatch = a.watch({ restored: () => told++ });
    for (const turn of [1, 2]) {
      const published = sides.map(async ({ name, broker }) => {
        await restored(broker);
        await Promise.all(rooms.map((topic) => broker.publish(topic, `${name}${turn}`)));
      });
      await nodes.beginOutage();
      await untilAway(a);
      await untilAway(b);
      await expect(a.check()).rejects.toThrow();
      await expect(a.publish(rooms[0]!, 'into the void')).rejects.toThrow();
      await nodes.endOutage();
      await Promise.all(published);
      await a.check();
      // Its own: who came back first may have published before the other one listened again.
      for (const { name, inboxes } of sides) for (const inbox of inboxes) await inbox.untilHas(`${name}${turn}`);
      unwatch();
    }
    for (const { inboxes } of sides) for (const { got } of inboxes) expect(got).not.toContain('into the void');
    expect(told).toBe(1);
  },

  async 'what is subscribed and ended meanwhile is so afterwards'(nodes) {
    const [a, b] = [nodes.broker, await nodes.another()];
    const [ended, second, late] = [new Inbox(), new Inbox(), new Inbox()];
    const stop = await a.subscribe(room('both'), ended.take);
    const stays = await listen(a, room('both'));
    const back = [restored(a), restored(b)];
    await nodes.beginOutage();
    await untilAway(a);
    stop();
    const subscribed = [
      nodes.subscribeAtLast(a, room('late'), late),
      nodes.subscribeAtLast(a, room('both'), second),
      nodes.subscribeAtLast(a, room('brief'), ended).then((stopBrief) => stopBrief()),
    ];
    await nodes.endOutage();
    await Promise.all([...back, ...subscribed]);
    await b.publish(room('both'), 'x');
    await b.publish(room('late'), 'y');
    await b.publish(room('brief'), 'z');
    expect(await stays.until(1)).toEqual(['x']);
    expect(await second.until(1)).toEqual(['x']);
    expect(await late.until(1)).toEqual(['y']);
    expect(ended.got).toEqual([]);
  },

  async 'closing during an outage ends at once what waits'(nodes) {
    const broker = await nodes.another();
    await nodes.beginOutage();
    await untilAway(broker);
    const waiting = expect(broker.subscribe(room('r1'), () => {})).rejects.toThrow();
    await broker.close();
    await waiting;
    await expect(broker.publish(room('r1'), 'x')).rejects.toThrow();
    await nodes.endOutage();
  },
};

function restored(broker: Broker): Promise<void> {
  return new Promise((resolve) => {
    const stop = broker.watch({
      restored() {
        stop();
        resolve();
      },
    });
  });
}

/** A server that went away is noticed a moment later; what is handed over until then is lost without a word. */
async function untilAway(broker: Broker): Promise<void> {
  for (;;) {
    try {
      await broker.publish(room('nobody'), 'x');
    } catch {
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
