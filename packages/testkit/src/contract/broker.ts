import type { Broker, Topic } from '@gapless/core';
import { expect } from 'vitest';
import { contract, type Skip } from './contract.ts';

/** What every Broker must do. `open` gives one of its own for each test: nobody else publishes there. */
export function brokerContract(name: string, open: () => Promise<Broker>, skip: readonly Skip[] = []): void {
  contract(`Broker / ${name}`, open, skip, {
    async 'a listener gets what is published to its topic, the publisher’s own too'(broker) {
      const inbox = await listen(broker, room('r1'));
      await broker.publish(room('r1'), 'one');
      await broker.publish(room('r1'), 'two');
      expect(await inbox.until(2)).toEqual(['one', 'two']);
    },

    async 'every listener of a topic gets it, also the same function twice'(broker) {
      const both = new Inbox();
      await broker.subscribe(room('r1'), both.take);
      await broker.subscribe(room('r1'), both.take);
      const other = await listen(broker, room('r1'));
      await broker.publish(room('r1'), 'x');
      expect(await both.until(2)).toEqual(['x', 'x']);
      expect(await other.until(1)).toEqual(['x']);
    },

    async 'no listener is called inside publish'(broker) {
      const inbox = await listen(broker, room('r1'));
      const handed = broker.publish(room('r1'), 'x');
      expect(inbox.got).toEqual([]);
      await handed;
      await inbox.until(1);
    },

    async 'topics are apart: by name, exactly, and by kind'(broker) {
      const names = ['r1', 'R1', 'r10', 'r*', '*', '>', 'r1.a', 'r1:a', 'room:r1', ' r1', 'r 1', '房间', '👋', 'x'.repeat(128)];
      const inboxes = await Promise.all(names.map((name) => listen(broker, room(name))));
      const user = await listen(broker, { kind: 'user', name: 'r1' });
      const cluster = await listen(broker, { kind: 'cluster', name: 'r1' });
      const node = await listen(broker, { kind: 'node', name: 'r1' });
      for (const name of names) await broker.publish(room(name), `to ${name}`);
      await broker.publish({ kind: 'user', name: 'r1' }, 'to the user');
      await broker.publish({ kind: 'cluster', name: 'r1' }, 'to all nodes');
      await broker.publish({ kind: 'node', name: 'r1' }, 'to the node');
      for (const [i, name] of names.entries()) expect(await inboxes[i]!.until(1)).toEqual([`to ${name}`]);
      expect(await user.until(1)).toEqual(['to the user']);
      expect(await cluster.until(1)).toEqual(['to all nodes']);
      expect(await node.until(1)).toEqual(['to the node']);
      for (const [i, name] of names.entries()) expect(inboxes[i]!.got).toEqual([`to ${name}`]);
    },

    async 'the order of one publisher is kept, awaited or not'(broker) {
      const inbox = await listen(broker, room('r1'));
      const payloads = Array.from({ length: 1_000 }, (_, i) => `${i}`);
      await Promise.all(payloads.map((payload) => broker.publish(room('r1'), payload)));
      expect(await inbox.until(1_000)).toEqual(payloads);
    },

    async 'what a listener publishes comes after, for every listener'(broker) {
      let answered = false;
      await broker.subscribe(room('r1'), () => {
        if (!answered) void broker.publish(room('r1'), 'answer');
        answered = true;
      });
      const inbox = await listen(broker, room('r1'));
      await broker.publish(room('r1'), 'question');
      expect(await inbox.until(2)).toEqual(['question', 'answer']);
    },

    async 'a payload arrives as it was: any text, also empty, also large'(broker) {
      const inbox = await listen(broker, room('r1'));
      const payloads = ['', '{"a":"\\u0000"}', 'line\nbreak\r\n', '房间 👋 \u2028', '\u0000', 'x'.repeat(300_000)];
      for (const payload of payloads) await broker.publish(room('r1'), payload);
      expect(await inbox.until(payloads.length)).toEqual(payloads);
    },

    async 'nothing is kept for who listens later'(broker) {
      const first = await listen(broker, room('r1'));
      await broker.publish(room('r1'), 'before');
      await first.until(1);
      const late = await listen(broker, room('r1'));
      await broker.publish(room('r1'), 'after');
      expect(await late.until(1)).toEqual(['after']);
    },

    async 'who stopped listening is not called again, and the others are'(broker) {
      const gone = new Inbox();
      const stop = await broker.subscribe(room('r1'), gone.take);
      const stays = await listen(broker, room('r1'));
      await broker.publish(room('r1'), 'one');
      await Promise.all([gone.until(1), stays.until(1)]);
      stop();
      stop();
      await broker.publish(room('r1'), 'two');
      expect(await stays.until(2)).toEqual(['one', 'two']);
      expect(gone.got).toEqual(['one']);
    },

    async 'listening again after the last one stopped works'(broker) {
      for (const turn of ['one', 'two', 'three']) {
        const inbox = new Inbox();
        const stop = await broker.subscribe(room('r1'), inbox.take);
        await broker.publish(room('r1'), turn);
        expect(await inbox.until(1)).toEqual([turn]);
        stop();
      }
    },

    async 'publishing where nobody listens is nothing'(broker) {
      await broker.publish(room('nobody'), 'x');
    },

    async 'after close nothing is taken, and closing again is nothing'(broker) {
      await listen(broker, room('r1'));
      await broker.close();
      await broker.close();
      await expect(broker.publish(room('r1'), 'x')).rejects.toThrow();
      await expect(broker.subscribe(room('r1'), () => {})).rejects.toThrow();
    },
  });
}

const room = (name: string): Topic => ({ kind: 'room', name });

async function listen(broker: Broker, topic: Topic): Promise<Inbox> {
  const inbox = new Inbox();
  await broker.subscribe(topic, inbox.take);
  return inbox;
}

class Inbox {
  readonly got: string[] = [];
  #wake: () => void = () => {};

  take = (payload: string): void => {
    this.got.push(payload);
    this.#wake();
  };

  /** Everything that came, once there are `count`. */
  async until(count: number): Promise<string[]> {
    while (this.got.length < count) await new Promise<void>((resolve) => (this.#wake = resolve));
    return this.got;
  }
}
