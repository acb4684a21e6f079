import { HttpClient, type LaunchedServer, signToken, WireClient } from '@gapless/testkit';
import { expect } from 'vitest';
import { until } from './cluster.ts';

const RETRY_MS = 50;
/** Between an ack and the next message: without it, what takes a node seconds would come with thousands of messages. */
const REST_MS = 10;
/** A node that stands still accepts connections and says nothing. */
const HANDSHAKE_MS = 1_000;

export interface PersonOptions {
  name: string;
  cid: string;
  /** Where it may connect; it goes to the next when a connection ends or does not come about. The list may change. */
  nodes: readonly { readonly url: string }[];
  /** The first one it tries. */
  first?: number;
  /** Unacked messages at any moment while it talks. */
  window?: number;
}

/** A user of one conversation who never gives up: resumes by rev on any node, and sends what was not acked again with the same mid. */
export class Person {
  readonly name: string;
  readonly cid: string;
  /** Where each of its messages is, by mid. */
  readonly acked = new Map<string, number>();
  /** In the order they came. */
  readonly seen: { seq: number; mid: string }[] = [];
  /** What no client should see. */
  readonly problems: string[] = [];
  /** Codes of errors after which it sent, or joined, again. */
  readonly refused: string[] = [];
  readonly #options: PersonOptions;
  readonly #unacked = new Set<string>();
  #client: WireClient | undefined;
  #at: number;
  #rev = 0;
  #sent = 0;
  #talking = false;
  #gone = false;
  #loop: Promise<void>;

  constructor(options: PersonOptions) {
    this.name = options.name;
    this.cid = options.cid;
    this.#options = options;
    this.#at = options.first ?? 0;
    this.#loop = this.#stayConnected();
  }

  /** Sends until `hush`. */
  talk(): void {
    this.#talking = true;
    this.#say();
  }

  /** Resolves when all it said is acked. */
  async hush(): Promise<void> {
    this.#talking = false;
    await until(() => this.#unacked.size === 0, `all of ${this.name} is acked`);
  }

  async leave(): Promise<void> {
    this.#gone = true;
    this.#client?.socket.terminate();
    await this.#loop;
  }

  async #stayConnected(): Promise<void> {
    const token = await signToken(this.name);
    while (!this.#gone) {
      const { nodes } = this.#options;
      const { url } = nodes[this.#at++ % nodes.length]!;
      const client = await WireClient.connect({ url, token, ws: { handshakeTimeout: HANDSHAKE_MS } }).catch(() => undefined);
      if (client === undefined) {
        await pause();
        continue;
      }
      this.#client = client;
      client.socket.on('message', () => this.#take(client));
      this.#sync();
      for (const mid of this.#unacked) this.#sendText(mid);
      this.#say();
      await client.closed;
      this.#client = undefined;
    }
  }

  /** Takes what came, in its order. */
  #take({ frames }: WireClient): void {
    for (const frame of frames.splice(0)) {
      if (frame.t === 'ack' && frame.mid !== undefined) this.#onAck(frame.mid, frame.pos);
      else if (frame.t === 'error') this.#onError(frame);
      else if (frame.t === 'joined' && frame.reset) this.problems.push('reset');
      else if (frame.t === 'message' || frame.t === 'change') {
        if (frame.rev !== this.#rev + 1) this.problems.push(`rev ${frame.rev} after ${this.#rev}`);
        this.#rev = frame.rev;
        if (frame.t === 'message') this.seen.push({ seq: frame.seq, mid: frame.mid });
      }
    }
  }

  #onAck(mid: string, pos: number): void {
    const before = this.acked.get(mid);
    if (before !== undefined && before !== pos) this.problems.push(`${mid} acked as ${before} and ${pos}`);
    this.acked.set(mid, pos);
    this.#unacked.delete(mid);
    setTimeout(() => this.#say(), REST_MS);
  }

  /** Who is told to try later does: joins anew, or sends with the same mid. */
  #onError({ code, ref }: { code: string; ref?: { t: string; mid?: string } | undefined }): void {
    const again = ref?.mid;
    if ((again === undefined && ref?.t !== 'sync') || !['store_unavailable', 'server_busy'].includes(code)) {
      this.problems.push(`error ${code} ${JSON.stringify(ref)}`);
      return;
    }
    this.refused.push(code);
    const client = this.#client;
    void pause().then(() => {
      // Another connection has joined by itself; twice would show everything twice.
      if (again === undefined) this.#client === client && this.#sync();
      else if (this.#unacked.has(again)) this.#sendText(again);
    });
  }

  #sync(): void {
    this.#send({ t: 'sync', convs: [{ cid: this.cid, rev: this.#rev }] });
  }

  #say(): void {
    const { window = 4 } = this.#options;
    while (this.#talking && this.#unacked.size < window) {
      const mid = `${this.name}-${this.#sent++}`;
      this.#unacked.add(mid);
      this.#sendText(mid);
    }
  }

  #sendText(mid: string): void {
    this.#send({ t: 'send', cid: this.cid, mid, kind: 'text', body: { text: mid } });
  }

  /** What cannot be sent now is sent on the next connection. */
  #send(frame: object): void {
    if (this.#client?.socket.readyState === 1) this.#client.send({ ...frame });
  }
}

const pause = () => new Promise((resolve) => setTimeout(resolve, RETRY_MS));

/** Resolves when each of them got `count` more acks. */
export async function progress(people: readonly Person[], count: number): Promise<void> {
  const goals = people.map((person) => person.acked.size + count);
  await until(() => people.every((person, i) => person.acked.size >= goals[i]!), `everybody got ${count} more acks`);
}

/** Resolves when each of them has seen whatever was acked to anyone by now. */
export async function catchUp(people: readonly Person[]): Promise<void> {
  const head = Math.max(...people.flatMap((person) => [...person.acked.values()]));
  await until(() => people.every(({ seen }) => (seen.at(-1)?.seq ?? 0) >= head), `everybody has seen ${head}`);
}

/** All are silent from here: everybody has seen what each node tells, which is all that was acked, each once and in order. */
export async function expectSame(people: readonly Person[], nodes: readonly { readonly url: string }[]): Promise<void> {
  const { name: reader, cid } = people[0]!;
  for (const { url } of nodes) {
    const history = await new HttpClient(url, await signToken(reader)).history(cid);
    await until(
      () => people.every(({ seen }) => seen.length >= history.length),
      () =>
        `everybody has seen all ${history.length}: ${people.map(({ name, seen, problems }) => [name, seen.length, ...problems].join(' ')).join('; ')}`,
    );
    expect(history.map(({ seq }) => seq)).toEqual(history.map((_, i) => i + 1));
    expect(new Set(history.map(({ mid }) => mid)).size).toBe(history.length);
    expect(people.reduce((sum, { acked }) => sum + acked.size, 0)).toBe(history.length);
    const all = history.map(({ seq, mid }) => `${seq} ${mid}`);
    for (const { name, problems, seen, acked } of people) {
      expect([name, ...problems]).toEqual([name]);
      expect(seen.map(({ seq, mid }) => `${seq} ${mid}`)).toEqual(all);
      expect([...acked].filter(([mid, seq]) => history[seq - 1]?.mid !== mid)).toEqual([]);
    }
  }
}

/** On each node one of them, or more. */
export function peopleOn(nodes: readonly LaunchedServer[], cid: string, names: readonly string[]): Person[] {
  return names.map((name, i) => new Person({ name, cid, nodes: [nodes[i % nodes.length]!] }));
}
