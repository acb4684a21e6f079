import { expect } from 'vitest';
import { clusterCases } from './broker-cluster.ts';
import { Inbox, listen, Nodes, type NodesVariant, room } from './broker-nodes.ts';
import { outageCases } from './broker-outage.ts';
import { contract, type Skip } from './contract.ts';

/** What every Broker must do. */
export function brokerContract(name: string, variant: NodesVariant, skip: readonly Skip[] = []): void {
  contract(`Broker / ${name}`, () => Nodes.open(variant), skip, {
    ...clusterCases,
    ...(variant.outage === undefined ? {} : outageCases),

    async 'a listener gets what is published to its topic, the publisher’s own too'({ broker }) {
      const inbox = await listen(broker, room('r1'));
      await broker.publish(room('r1'), 'one');
      await broker.publish(room('r1'), 'two');
      expect(await inbox.until(2)).toEqual(['one', 'two']);
    },

    async 'every listener of a topic gets it, also the same function twice'({ broker }) {
      const both = new Inbox();
      await broker.subscribe(room('r1'), both.take);
      await broker.subscribe(room('r1'), both.take);
      const other = await listen(broker, room('r1'));
      await broker.publish(room('r1'), 'x');
      expect(await both.until(2)).toEqual(['x', 'x']);
      expect(await other.until(1)).toEqual(['x']);
    },

    async 'no listener is called inside publish'({ broker }) {
      const inbox = await listen(broker, room('r1'));
      const handed = broker.publish(room('r1'), 'x');
      expect(inbox.got).toEqual([]);
      await handed;
      await inbox.until(1);
    },

    async 'topics are apart: by name, exactly, and by kind'({ broker }) {
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

    async 'the order of one publisher is kept, awaited or not'({ broker }) {
      const inbox = await listen(broker, room('r1'));
      const payloads = Array.from({ length: 1_000 }, (_, i) => `${i}`);
      await Promise.all(payloads.map((payload) => broker.publish(room('r1'), payload)));
      expect(await inbox.until(1_000)).toEqual(payloads);
    },

    async 'what a listener publishes comes after, for every listener'({ broker }) {
      let answered = false;
      await broker.subscribe(room('r1'), () => {
        if (!answered) void broker.publish(room('r1'), 'answer');
        answered = true;
      });
      const inbox = await listen(broker, room('r1'));
      await broker.publish(room('r1'), 'question');
      expect(await inbox.until(2)).toEqual(['question', 'answer']);
    },

    async 'a payload arrives as it was: any text, also empty, also large'({ broker }) {
      const inbox = await listen(broker, room('r1'));
      const payloads = ['', '{"a":"\\u0000"}', 'line\nbreak\r\n', '房间 👋 \u2028', '\u0000', 'x'.repeat(300_000)];
      for (const payload of payloads) await broker.publish(room('r1'), payload);
      expect(await inbox.until(payloads.length)).toEqual(payloads);
    },

    async 'a payload of the largest size arrives, and one byte more is refused'({ broker }) {
      const inbox = await listen(broker, room('r1'));
      const largest = 'x'.repeat(broker.capabilities.payloadMaxBytes);
      await broker.publish(room('r1'), largest);
      await expect(broker.publish(room('r1'), `${largest}x`)).rejects.toThrow(RangeError);
      const got = await inbox.until(1);
      expect(got.map((payload) => payload.length)).toEqual([largest.length]);
    },

    async 'a check passes while it serves'({ broker }) {
      await broker.check();
    },

    async 'a listener that stops another one of its topic is obeyed at once'({ broker }) {
      const other = new Inbox();
      let stop = () => {};
      const first = new Inbox();
      await broker.subscribe(room('r1'), (payload) => {
        stop();
        first.take(payload);
      });
      stop = await broker.subscribe(room('r1'), other.take);
      await broker.publish(room('r1'), 'x');
      await first.until(1);
      await broker.publish(room('r1'), 'y');
      await first.until(2);
      expect(other.got).toEqual([]);
    },

    async 'subscribing and stopping in quick turns ends as the last of them wished'({ broker }) {
      const inbox = new Inbox();
      const turns = Array.from({ length: 20 }, () => broker.subscribe(room('r1'), inbox.take).then((stop) => stop()));
      const kept = new Inbox();
      const stop = broker.subscribe(room('r1'), kept.take);
      await Promise.all(turns);
      const stopKept = await stop;
      await broker.publish(room('r1'), 'x');
      expect(await kept.until(1)).toEqual(['x']);
      for (let turn = 0; turn < 20; turn++) {
        const again = broker.subscribe(room('r1'), inbox.take);
        if (turn === 0) stopKept();
        (await again)();
      }
      const last = await listen(broker, room('r1'));
      await broker.publish(room('r1'), 'y');
      expect(await last.until(1)).toEqual(['y']);
      expect(inbox.got).toEqual([]);
      expect(kept.got).toEqual(['x']);
    },

    async 'nothing is kept for who listens later'({ broker }) {
      const first = await listen(broker, room('r1'));
      await broker.publish(room('r1'), 'before');
      await first.until(1);
      const late = await listen(broker, room('r1'));
      await broker.publish(room('r1'), 'after');
      expect(await late.until(1)).toEqual(['after']);
    },

    async 'who stopped listening is not called again, and the others are'({ broker }) {
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

    async 'listening again after the last one stopped works'({ broker }) {
      for (const turn of ['one', 'two', 'three']) {
        const inbox = new Inbox();
        const stop = await broker.subscribe(room('r1'), inbox.take);
        await broker.publish(room('r1'), turn);
        expect(await inbox.until(1)).toEqual([turn]);
        stop();
      }
    },

    async 'publishing where nobody listens is nothing'({ broker }) {
      let restored = 0;
      broker.watch({ restored: () => restored++ });
      const inbox = await listen(broker, room('r1'));
      for (const payload of ['one', 'two']) {
        await broker.publish(room('nobody at all'), 'x');
        await broker.publish(room('r1'), payload);
        await inbox.until(1);
      }
      expect(await inbox.until(2)).toEqual(['one', 'two']);
      expect(restored).toBe(0);
    },

    async 'after close nothing is taken, and closing again is nothing'({ broker }) {
      await listen(broker, room('r1'));
      await broker.close();
      await broker.close();
      await expect(broker.publish(room('r1'), 'x')).rejects.toThrow();
      await expect(broker.subscribe(room('r1'), () => {})).rejects.toThrow();
      await expect(broker.check()).rejects.toThrow();
    },
  });
}
