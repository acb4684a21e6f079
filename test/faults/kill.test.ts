import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { HttpClient, type LaunchedServer, launchServer, signToken, WireClient } from '@gapless/testkit';
import { afterAll, beforeAll, expect, test } from 'vitest';

// Goal: I1 to I4 over crashes. Method: 50 connections send into 10 conversations, the server is killed with SIGKILL at a random moment,
// restarted on the same data, and each client resumes with its cursor and resends what was not acked with the same mid. At the end every
// client's view is compared with the server's history, and the history with everything that was acked.

const ROUNDS = Number(process.env.KILL_ROUNDS ?? 20);
const CLIENTS = 50;
const CONVERSATIONS = 10;
const PER_ROUND = 20;

let dataDir: string;
beforeAll(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'gapless-kill-'));
});
afterAll(() => rmSync(dataDir, { recursive: true, force: true }));

/** One user on one device: what it sent, what was acked, and what it saw. */
class Person {
  readonly name: string;
  readonly cid: string;
  readonly unacked = new Map<string, string>();
  readonly acked = new Map<string, number>();
  readonly seen: { seq: number; mid: string }[] = [];
  rev = 0;
  conflicts = 0;
  #sent = 0;
  #client: WireClient | undefined;

  constructor(name: string, cid: string) {
    this.name = name;
    this.cid = cid;
  }

  /** Connects, resumes, and sends the unacked again. */
  async connect(server: LaunchedServer): Promise<void> {
    const client = await WireClient.connect({ url: server.url, token: await signToken(this.name) });
    this.#client = client;
    client.send({ t: 'sync', convs: [{ cid: this.cid, rev: this.rev }] });
    for (const [mid, text] of this.unacked) client.send({ t: 'send', cid: this.cid, mid, kind: 'text', body: { text } });
  }

  say(count: number): void {
    for (let i = 0; i < count; i++) {
      const mid = `${this.name}-${this.#sent++}`;
      this.unacked.set(mid, `text of ${mid}`);
      this.#client!.send({ t: 'send', cid: this.cid, mid, kind: 'text', body: { text: `text of ${mid}` } });
    }
  }

  /** Takes over what the connection brought, in its order. Call when the connection ended, or at the end. */
  collect(): void {
    for (const frame of this.#client!.frames) {
      if (frame.t === 'ack' && frame.mid !== undefined) {
        const before = this.acked.get(frame.mid);
        if (before !== undefined && before !== frame.pos) this.conflicts++;
        this.acked.set(frame.mid, frame.pos);
        this.unacked.delete(frame.mid);
      }
      if (frame.t === 'message' || frame.t === 'change') {
        if (frame.rev !== this.rev + 1) this.conflicts++;
        this.rev = frame.rev;
      }
      if (frame.t === 'message') this.seen.push({ seq: frame.seq, mid: frame.mid });
    }
    this.#client!.frames.length = 0;
  }

  async whenSettled(head: number): Promise<void> {
    await Promise.all([...this.unacked.keys()].map((mid) => this.#client!.wait('ack', (frame) => frame.mid === mid)));
    if (this.seen.length < head) await this.#client!.wait('message', (frame) => frame.seq >= head);
  }

  get client(): WireClient {
    return this.#client!;
  }
}

test(`${ROUNDS} kills: nothing acked is lost, nothing is twice, everybody sees the same`, async () => {
  let server = await launchServer({ dataDir });
  const admin = new HttpClient(server.url, await signToken('backend', { role: 'admin' }));
  const names = Array.from({ length: CLIENTS }, (_, i) => `user${i}`);
  const cids = await Promise.all(
    Array.from({ length: CONVERSATIONS }, (_, c) =>
      admin.create(
        'group',
        names.filter((_, i) => i % CONVERSATIONS === c),
      ),
    ),
  );
  const people = names.map((name, i) => new Person(name, cids[i % CONVERSATIONS]!));

  for (let round = 0; round < ROUNDS; round++) {
    await Promise.all(people.map((person) => person.connect(server)));
    for (const person of people) person.say(PER_ROUND);
    // The moment is a count of acks of one client, so that it falls into the middle of the work on any machine.
    const moment = Math.floor(Math.random() * PER_ROUND);
    const watched = people[round % CLIENTS]!;
    await watched.client.wait('ack', () => watched.client.of('ack').length > moment);
    await server.kill();
    await Promise.all(people.map((person) => person.client.closed));
    for (const person of people) person.collect();
    server = await launchServer({ dataDir });
  }

  await Promise.all(people.map((person) => person.connect(server)));
  const sent = ROUNDS * PER_ROUND * (CLIENTS / CONVERSATIONS);
  await Promise.all(people.map((person) => person.whenSettled(sent)));
  for (const person of people) person.collect();

  const reader = async (person: Person) => new HttpClient(server.url, await signToken(person.name)).history(person.cid);
  const histories = new Map(
    await Promise.all(people.slice(0, CONVERSATIONS).map(async (person) => [person.cid, await reader(person)] as const)),
  );
  for (const [, history] of histories) {
    expect(history.map((message) => message.seq)).toEqual(Array.from({ length: sent }, (_, i) => i + 1));
    expect(new Set(history.map((message) => message.mid)).size).toBe(sent);
    for (const message of history) expect(message.body).toEqual({ text: `text of ${message.mid}` });
  }
  for (const person of people) {
    const history = histories.get(person.cid)!;
    expect(person.conflicts).toBe(0);
    expect(person.acked.size).toBe(ROUNDS * PER_ROUND);
    for (const [mid, seq] of person.acked) expect(history[seq - 1]?.mid).toBe(mid);
    expect(person.seen).toEqual(history.map(({ seq, mid }) => ({ seq, mid })));
    await person.client.close();
  }
  await server.stop();
});
