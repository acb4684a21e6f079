import { type Client, type Conversation, createClient } from '@gapless/sdk';
import { HttpClient, signToken } from '@gapless/testkit';
import { expect, onTestFinished, test } from 'vitest';
import { startBalancer } from './balancer.ts';
import { startCluster, until } from './cluster.ts';
import { overEach } from './nodes.ts';

// Goal: a deploy is invisible. Method: people with the SDK behind a balancer, some without WebSocket, send all the while; each of three
// nodes is stopped with SIGTERM after a new one has come in its place.

const NAMES = ['ada', 'bo', 'cy', 'dee', 'eve', 'fay'];

class User {
  readonly heard: number[] = [];
  readonly errors: string[] = [];
  readonly conversation: Conversation;
  readonly #client: Client;
  sent = 0;
  #talking = true;
  #talk = Promise.resolve();

  constructor(client: Client, cid: string) {
    this.#client = client;
    this.conversation = client.conversation(cid);
    client.on('message', ({ seq }) => this.heard.push(seq!));
    client.on('error', ({ code }) => this.errors.push(code));
  }

  async open(): Promise<void> {
    this.#client.connect();
    this.conversation.open();
    await until(() => this.conversation.getSnapshot().loaded, 'the conversation is loaded');
  }

  talk(name: string): void {
    this.#talk = (async () => {
      while (this.#talking) {
        await this.conversation.send({ body: { text: `${name} ${this.sent + 1}` } });
        this.sent++;
      }
    })();
    this.#talk.catch(() => {});
  }

  /** Rejects when a send failed for good. */
  hush(): Promise<void> {
    this.#talking = false;
    return this.#talk;
  }
}

await overEach(['redis', 'nats'], ({ env }) => {
  test('three nodes are replaced one by one: no send fails, nothing is lost, nobody is told of an error', async () => {
    const cluster = await startCluster({ nodes: 3, env: { ...env, GAPLESS_DRAIN_SPREAD_MS: '1000' } });
    const balancer = await startBalancer();
    onTestFinished(() => balancer.close());
    for (const node of cluster.nodes) balancer.nodes.add(node);
    await until(() => balancer.ready.size === 3, 'the balancer has found all nodes');
    const cid = await cluster.group(...NAMES);
    const users = await Promise.all(
      NAMES.map(async (name, i) => {
        const token = await signToken(name);
        const client = createClient({ url: balancer.url, getToken: async () => token, transport: i % 3 === 2 ? 'sse' : 'websocket' });
        onTestFinished(() => client.close());
        const user = new User(client, cid);
        await user.open();
        return user;
      }),
    );
    for (const [i, user] of users.entries()) user.talk(NAMES[i]!);
    const progress = async (count: number) => {
      const goals = users.map(({ sent }) => sent + count);
      await until(() => users.every(({ sent }, i) => sent >= goals[i]!), `everybody sent ${count} more`);
    };

    await progress(5);
    for (const old of [...cluster.nodes]) {
      const fresh = await cluster.add();
      balancer.nodes.add(fresh);
      await until(() => balancer.ready.has(fresh.port), 'the balancer has found the new node');
      expect(await old.stop()).toBe(0);
      balancer.nodes.delete(old);
      await progress(5);
    }

    await Promise.all(users.map((user) => user.hush()));
    const history = await new HttpClient(balancer.url, await signToken('ada')).history(cid);
    expect(history).toHaveLength(users.reduce((sum, { sent }) => sum + sent, 0));
    const seqs = history.map((_, i) => i + 1);
    expect(history.map(({ seq }) => seq)).toEqual(seqs);
    for (const [i, name] of NAMES.entries()) {
      const texts = history.filter(({ from }) => from === name).map(({ body }) => body.text);
      expect(texts).toEqual(Array.from({ length: users[i]!.sent }, (_, n) => `${name} ${n + 1}`));
    }
    for (const user of users) {
      await until(() => user.heard.length >= history.length, 'everybody has heard everything');
      expect(user.heard).toEqual(seqs);
      expect(user.errors).toEqual([]);
    }
    for (const node of cluster.nodes.slice(3)) expect(await node.stop()).toBe(0);
  });
});

// Held connections end at random moments of the spread: with so many the last is never among the first.
const HELD = 8;

await overEach(['redis'], ({ env }) => {
  test('a node that drains says so to the balancer while it still listens', async () => {
    const { nodes, connect } = await startCluster({ nodes: 1, env: { ...env, GAPLESS_DRAIN_SPREAD_MS: '3000' } });
    const node = nodes[0]!;
    const held = [];
    for (let i = 0; i < HELD; i++) held.push(await connect(node, 'ada'));
    expect((await fetch(`${node.url}/readyz`)).status).toBe(200);
    const stopped = node.stop();
    for (const client of held) await client.wait('goaway');
    const draining = { status: 503, body: { ok: false, checks: expect.objectContaining({ accepting: 'draining' }) } };
    await until(async () => {
      const response = await fetch(`${node.url}/readyz`, { headers: { connection: 'close' } });
      const answer = { status: response.status, body: await response.json() };
      if (answer.status === 503) expect(answer).toEqual(draining);
      return answer.status === 503;
    }, 'the node says that it drains');
    for (const client of held) expect((await client.closed).code).toBe(1001);
    expect(await stopped).toBe(0);
  });
});
