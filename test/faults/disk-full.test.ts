import { HttpClient, type LaunchedServer, launchServer, mountSmallDisk, type SmallDisk, signToken, WireClient } from '@gapless/testkit';
import { expect, test } from 'vitest';

// Goal: a full disk costs nothing but refusals. Method: a whole server on a tiny file system; clients send until nothing goes any more,
// then space is freed and everything refused is sent again with its mid.

const MiB = 1024 * 1024;
const CLIENTS = 4;
const AT_ONCE = 10;
const TEXT = 'x'.repeat(1_500);

/** One user: what was sent and what became of it. */
class Sender {
  readonly client: WireClient;
  readonly cid: string;
  readonly acked = new Map<string, number>();
  readonly refused: string[] = [];
  #sent = 0;

  constructor(client: WireClient, cid: string) {
    this.client = client;
    this.cid = cid;
  }

  /** Sends new ones and waits for an answer to each. Gives the codes of the refusals. */
  send(count: number): Promise<string[]> {
    return this.#send(Array.from({ length: count }, () => `${this.cid}-${this.#sent++}`));
  }

  /** Sends again what was refused. */
  resend(): Promise<string[]> {
    return this.#send(this.refused.splice(0));
  }

  async #send(mids: readonly string[]): Promise<string[]> {
    this.client.frames.length = 0;
    for (const mid of mids) this.client.send({ t: 'send', cid: this.cid, mid, kind: 'text', body: { text: `${mid} ${TEXT}` } });
    return (await Promise.all(mids.map((mid) => this.#answer(mid)))).filter((code) => code !== undefined);
  }

  async #answer(mid: string): Promise<string | undefined> {
    const ack = this.client.wait('ack', (frame) => frame.mid === mid).then((frame) => ({ pos: frame.pos }));
    const error = this.client.wait('error', (frame) => frame.ref?.mid === mid).then((frame) => ({ code: frame.code }));
    const answer = await Promise.race([ack, error]);
    if ('code' in answer) {
      this.refused.push(mid);
      return answer.code;
    }
    expect(this.acked.has(mid)).toBe(false);
    this.acked.set(mid, answer.pos);
    return undefined;
  }
}

test('a server on a full disk refuses, says so, stays readable, and goes on when there is space', async (ctx) => {
  const disk = mountSmallDisk(3 * MiB);
  if ('reason' in disk) return ctx.skip(disk.reason);
  ctx.onTestFinished(() => disk.remove());
  disk.fill(1.5 * MiB);
  const server = await launchServer({ dataDir: disk.folder });
  ctx.onTestFinished(() => server.kill());
  await scenario(disk, server);
});

async function scenario(disk: SmallDisk, server: LaunchedServer): Promise<void> {
  const admin = new HttpClient(server.url, await signToken('backend', { role: 'admin' }));
  const names = Array.from({ length: CLIENTS }, (_, i) => `user${i}`);
  const senders = await Promise.all(
    names.map(async (name) => {
      const cid = await admin.create('group', names);
      return new Sender(await WireClient.connect({ url: server.url, token: await signToken(name) }), cid);
    }),
  );
  const ready = async () => (await admin.call('GET', '/readyz')).status;
  expect(await ready()).toBe(200);

  // Until not one message goes any more: first many in a batch, then one alone.
  const codes: string[] = [];
  while (codes.length === 0) codes.push(...(await Promise.all(senders.map((sender) => sender.send(AT_ONCE)))).flat());
  for (let alone: string[] = []; alone.length === 0; codes.push(...alone)) alone = await senders[0]!.send(1);
  expect(ackedBy(senders)).toBeGreaterThan(50);
  expect([...new Set(codes)].filter((code) => code !== 'store_unavailable' && code !== 'server_busy')).toEqual([]);
  expect(codes).toContain('store_unavailable');
  const { status, body } = await admin.call('GET', '/readyz');
  expect(status).toBe(503);
  expect(body.checks.store).not.toBe('ok');
  await expectHistories(server.url, senders);

  // Space comes back: so does everything that was refused.
  disk.free();
  expect(await ready()).toBe(200);
  for (const sender of senders) expect([...(await sender.resend()), ...(await sender.send(AT_ONCE))]).toEqual([]);
  expect(senders.flatMap((sender) => sender.refused)).toEqual([]);
  await expectHistories(server.url, senders);

  await Promise.all(senders.map((sender) => sender.client.close()));
  expect(await server.stop()).toBe(0);
}

function ackedBy(senders: readonly Sender[]): number {
  return senders.reduce((sum, sender) => sum + sender.acked.size, 0);
}

/** Dense, each acked message at its place, and nothing else. */
async function expectHistories(url: string, senders: readonly Sender[]): Promise<void> {
  for (const { cid, acked } of senders) {
    const history = await new HttpClient(url, await signToken('user0')).history(cid);
    expect(history.map(({ seq }) => seq)).toEqual(history.map((_, i) => i + 1));
    expect(new Map(history.map(({ mid, seq }) => [mid, seq]))).toEqual(new Map([...acked].sort((a, b) => a[1] - b[1])));
    for (const { mid, body } of history) expect(body).toEqual({ text: `${mid} ${TEXT}` });
  }
}
