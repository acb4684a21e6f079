import { ulid } from '@gapless/kit';
import { type LaunchedServer, sharedPostgres, startRedis, type WireClient } from '@gapless/testkit';
import { afterAll, describe, expect, test } from 'vitest';
import { metric, startCluster, until } from './cluster.ts';

// Goal: accepted, then saved, over real Redis and Postgres, through real nodes; and the truth for everyone when Redis is lost. Apart from
// the rules of numbering, which test/two-phase has.

const postgres = await sharedPostgres();
const redis = 'reason' in postgres ? postgres : await startRedis({ settings: { appendonly: 'yes' } });

if ('reason' in redis) test('two-phase acks', (context) => context.skip(redis.reason));
else {
  afterAll(() => redis.remove());
  describe('two-phase acks', () => suite(redis));
}

function suite(server: Exclude<typeof redis, { reason: string }>): void {
  let streams = 0;

  async function started(env: Record<string, string> = {}) {
    const cluster = await startCluster({
      nodes: 2,
      env: {
        GAPLESS_BROKER: server.url,
        GAPLESS_TWO_PHASE_ENABLED: 'true',
        GAPLESS_TWO_PHASE_DELIVER_BEFORE_SAVED: 'true',
        GAPLESS_TWO_PHASE_ACCEPTED_STREAM_KEY: `test:${++streams}`,
        ...env,
      },
    });
    if (env.GAPLESS_TWO_PHASE_ENABLED !== 'false') await accepting(cluster.nodes);
    return cluster;
  }

  test('one send is acked twice; others get the message marked, history has it when it is saved', async () => {
    const { nodes, group, connect } = await started();
    const cid = await group('ann', 'bob');
    const [ann, bob] = [await connect(nodes[0]!, 'ann'), await connect(nodes[1]!, 'bob')];
    await ann.join(cid);
    await bob.join(cid);
    const mid = ulid(Date.now());
    const accepted = await ann.say(cid, mid, 'hello');
    expect(accepted).toMatchObject({ stage: 'accepted', pos: 1, rev: 1 });
    expect(await saved(ann, mid)).toMatchObject({ pos: 1, rev: 1, at: accepted.at });
    expect(await bob.wait('message')).toMatchObject({ mid, seq: 1, stage: 'accepted' });
    ann.send({ t: 'send', cid, mid, kind: 'text', body: { text: 'hello' } });
    await until(() => ann.of('ack').some(({ dup }) => dup === true), 'the resend is answered');
    expect(ann.of('ack').find(({ dup }) => dup === true)).toMatchObject({ stage: 'saved', pos: 1 });
    const again = await connect(nodes[1]!, 'bob');
    expect(await again.join(cid, { rev: 0 })).not.toHaveProperty('saved');
    expect(await again.wait('message')).not.toHaveProperty('stage');
  });

  test('emptied under load: nothing is lost, no number is given twice', async () => {
    const { nodes, group, connect } = await started();
    const cid = await group('ann', 'bob');
    const [ann, bob] = [await connect(nodes[0]!, 'ann'), await connect(nodes[1]!, 'bob')];
    await ann.join(cid);
    await bob.join(cid);
    const acked = new Map<string, number>();
    for (let i = 0; i < 60; i++) {
      if (i === 30) await flush(server.url);
      const mid = ulid(Date.now());
      const client = i % 2 ? ann : bob;
      const ack = await sendUntilAcked(client, cid, mid);
      acked.set(mid, ack.pos);
    }
    await allSaved(nodes);
    const fresh = await connect(nodes[0]!, 'ann');
    const { head } = await fresh.join(cid, { since: 0 });
    await until(() => fresh.of('message').length === head, 'the whole history is there');
    const history = fresh.of('message');
    expect(history.map(({ seq }) => seq)).toEqual(Array.from({ length: head }, (_, i) => i + 1));
    expect(history.filter(({ kind }) => kind === 'lost')).toEqual([]);
    for (const [mid, pos] of acked) expect(history.filter((message) => message.mid === mid).map(({ seq }) => seq)).toEqual([pos]);
    for (const client of [ann, bob]) expect(client.of('message').map(({ seq }) => seq)).toEqual(client.of('message').map((_, i) => i + 1));
  });

  test('Redis is stopped and started with its data: the store takes the sends meanwhile', async () => {
    const { nodes, group, connect } = await started();
    const cid = await group('ann', 'bob');
    const ann = await connect(nodes[0]!, 'ann');
    await ann.join(cid);
    const before = await sendUntilAcked(ann, cid, ulid(Date.now()));
    expect(before.stage).toBe('accepted');
    await server.stop();
    const during = await sendUntilAcked(ann, cid, ulid(Date.now()));
    expect(during.stage).toBe('saved');
    await server.start();
    await accepting(nodes);
    const after = await sendUntilAcked(ann, cid, ulid(Date.now()));
    expect(after).toMatchObject({ stage: 'accepted', pos: 3 });
    await allSaved(nodes);
  });

  test('off, on for everyone, and off again while messages flow', async () => {
    const { nodes, group, connect, backend } = await started({ GAPLESS_TWO_PHASE_ENABLED: 'false' });
    const cid = await group('ann', 'bob');
    const [ann, bob] = [await connect(nodes[0]!, 'ann'), await connect(nodes[1]!, 'bob')];
    await ann.join(cid);
    await bob.join(cid);
    const admin = await backend();
    const stages: string[] = [];
    for (const [i, enabled] of [undefined, 'true', 'false'].entries()) {
      if (enabled !== undefined) await admin.call('PATCH', '/v1/admin/settings', { 'two-phase-enabled': enabled });
      if (enabled === 'true') await accepting(nodes);
      if (enabled === 'false') await until(async () => (await metric(nodes[0]!, 'gapless_accept_epoch')) === 0, 'the epoch has ended');
      const acks = await Promise.all(Array.from({ length: 20 }, (_, n) => sendUntilAcked(n % 2 ? ann : bob, cid, `${i}-${n}`)));
      stages.push(acks.at(-1)!.stage);
    }
    expect(stages).toEqual(['saved', 'accepted', 'saved']);
    await until(() => ann.of('message').length === 60 && bob.of('message').length === 60, 'everyone has all of it');
    for (const client of [ann, bob])
      expect(client.of('message').map(({ seq }) => seq)).toEqual(Array.from({ length: 60 }, (_, i) => i + 1));
  });

  test('someone is added and removed in between', async () => {
    const { nodes, group, connect, backend } = await started();
    const cid = await group('ann', 'bob');
    const [ann, bob] = [await connect(nodes[0]!, 'ann'), await connect(nodes[1]!, 'bob')];
    await ann.join(cid);
    await bob.join(cid);
    await sendUntilAcked(ann, cid, ulid(Date.now()));
    const admin = await backend();
    await admin.call('POST', `/v1/conversations/${cid}/participants`, { userIds: ['cyn'] });
    await sendUntilAcked(bob, cid, ulid(Date.now()));
    await admin.call('DELETE', `/v1/conversations/${cid}/participants/bob`);
    bob.send({ t: 'send', cid, mid: ulid(Date.now()), kind: 'text', body: {} });
    expect(await bob.wait('error')).toMatchObject({ code: 'not_participant' });
    await sendUntilAcked(ann, cid, ulid(Date.now()));
    await until(() => ann.of('message').length === 3, 'all three are there');
    expect(ann.of('message').map(({ seq, rev }) => [seq, rev])).toEqual([
      [1, 1],
      [2, 3],
      [3, 5],
    ]);
  });

  async function accepting(nodes: readonly LaunchedServer[]): Promise<void> {
    for (const node of nodes) await until(async () => (await metric(node, 'gapless_accept_epoch')) > 0, 'an epoch is on');
  }

  async function allSaved(nodes: readonly LaunchedServer[]): Promise<void> {
    for (const node of nodes) await until(async () => (await metric(node, 'gapless_accept_unsaved')) === 0, 'all is saved');
  }
}

function saved(client: WireClient, mid: string) {
  return client.wait('ack', (ack) => ack.mid === mid && ack.stage === 'saved');
}

/** As the SDK does it: after an error that says so, with the same mid. */
async function sendUntilAcked(client: WireClient, cid: string, mid: string) {
  for (;;) {
    const from = client.frames.length;
    client.send({ t: 'send', cid, mid, kind: 'text', body: { text: mid } });
    let answer: ReturnType<typeof answerTo>;
    await until(() => (answer = answerTo(client, mid, from)) !== undefined, `${mid} is answered`);
    if (answer!.t === 'ack') return answer!;
    if (answer!.code !== 'server_busy' && answer!.code !== 'store_unavailable') throw new Error(answer!.code);
  }
}

function answerTo(client: WireClient, mid: string, from: number) {
  for (const frame of client.frames.slice(from)) {
    if (frame.t === 'ack' && frame.mid === mid) return frame;
    if (frame.t === 'error' && frame.ref?.mid === mid) return frame;
  }
  return undefined;
}

async function flush(url: string): Promise<void> {
  const { createClient } = await import('@redis/client');
  const client = await createClient({ url }).connect();
  await client.flushAll();
  await client.close();
}
