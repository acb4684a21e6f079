import type { Topic } from '@gapless/core';
import { expect } from 'vitest';
import { listen, type Nodes, room } from './broker-nodes.ts';
import type { Cases } from './contract.ts';

const CLUSTER: Topic = { kind: 'cluster', name: 'notices' };
const node = (name: string): Topic => ({ kind: 'node', name });

/** What several nodes see of each other. */
export const clusterCases: Cases<Nodes> = {
  async 'what one node publishes the others hear, once and in order'(nodes) {
    const [a, b, c] = [nodes.broker, await nodes.another(), await nodes.another()];
    const inboxes = [await listen(a, room('r1')), await listen(b, room('r1')), await listen(c, room('r1'))];
    const payloads = Array.from({ length: 500 }, (_, i) => `${i}`);
    await Promise.all(payloads.map((payload) => a.publish(room('r1'), payload)));
    await a.publish(room('r1'), 'end');
    for (const inbox of inboxes) expect(await inbox.until(501)).toEqual([...payloads, 'end']);
  },

  async 'what two nodes publish is heard by both, each publisher’s in its order'(nodes) {
    const [a, b] = [nodes.broker, await nodes.another()];
    const inboxes = [await listen(a, CLUSTER), await listen(b, CLUSTER)];
    const numbers = Array.from({ length: 200 }, (_, i) => i);
    await Promise.all(numbers.flatMap((i) => [a.publish(CLUSTER, `a${i}`), b.publish(CLUSTER, `b${i}`)]));
    for (const inbox of inboxes) {
      const got = await inbox.until(400);
      expect(got.filter((payload) => payload.startsWith('a'))).toEqual(numbers.map((i) => `a${i}`));
      expect(got.filter((payload) => payload.startsWith('b'))).toEqual(numbers.map((i) => `b${i}`));
    }
  },

  async 'what is for one node reaches that node only'(nodes) {
    const [a, b] = [nodes.broker, await nodes.another()];
    const [forA, forB] = [await listen(a, node('a')), await listen(b, node('b'))];
    for (let i = 0; i < 10; i++) await a.publish(node(i % 2 === 0 ? 'a' : 'b'), `${i}`);
    expect(await forB.until(5)).toEqual(['1', '3', '5', '7', '9']);
    expect(await forA.until(5)).toEqual(['0', '2', '4', '6', '8']);
  },

  async 'who subscribed hears what another node publishes right after'(nodes) {
    const [a, b] = [nodes.broker, await nodes.another()];
    for (let turn = 0; turn < 20; turn++) {
      const inbox = await listen(a, room(`fresh ${turn}`));
      await b.publish(room(`fresh ${turn}`), 'x');
      expect(await inbox.until(1)).toEqual(['x']);
    }
  },

  async 'what a node publishes right before it closes is heard by the others'(nodes) {
    const [a, b] = [nodes.broker, await nodes.another()];
    const inbox = await listen(b, CLUSTER);
    for (let i = 0; i < 10; i++) void a.publish(CLUSTER, `${i}`);
    await a.close();
    expect(await inbox.until(10)).toEqual(['0', '1', '2', '3', '4', '5', '6', '7', '8', '9']);
  },

  async 'one node that closes leaves the others as they were'(nodes) {
    const [a, b] = [nodes.broker, await nodes.another()];
    const inbox = await listen(b, room('r1'));
    await listen(a, room('r1'));
    await a.close();
    await b.publish(room('r1'), 'x');
    expect(await inbox.until(1)).toEqual(['x']);
  },
};
