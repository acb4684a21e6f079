import { setTimeout as sleep } from 'node:timers/promises';
import { type Client, type Conversation, createClient, GaplessError } from '@gapless/sdk';
import { signToken } from '@gapless/testkit';

const POLL_MS = 50;
/** Everything may be late, nothing may be missing: this long is waited for what is not there. */
const SETTLE_MS = 60_000;

/** What a crowd of SDK clients saw. */
export interface Seen {
  readonly sends: number;
  /** `send` rejected, by code. */
  readonly failed: Readonly<Record<string, number>>;
  /** Neither resolved nor rejected. */
  readonly unanswered: number;
  /** Milliseconds until a send resolved. */
  readonly slowestMs: number;
  /** Saved by their own word, and not in the history under the seq they were told. */
  readonly lost: number;
  /** In the history, and not shown to a member; shown twice; shown out of order. */
  readonly missed: number;
  readonly repeated: number;
  readonly reordered: number;
  readonly reconnects: number;
}

/** SDK clients in conversations of their own, who send on and on. */
export class Crowd {
  readonly #people: Person[];
  #sending = false;
  #loops: Promise<void>[] = [];

  private constructor(people: Person[]) {
    this.#people = people;
  }

  /** All online and in their conversations. */
  static async start({ url, people, groupSize }: { url: string; people: number; groupSize: number }): Promise<Crowd> {
    const run = Date.now().toString(36);
    const names = Array.from({ length: people }, (_, i) => `${run}-p${i}`);
    const crowd: Person[] = [];
    for (let at = 0; at < people; at += groupSize) {
      const members = names.slice(at, at + groupSize);
      const cid = await createGroup(url, members);
      crowd.push(...members.map((name) => new Person(url, name, cid)));
    }
    await Promise.all(crowd.map((person) => person.enter()));
    return new Crowd(crowd);
  }

  get size(): number {
    return this.#people.length;
  }

  /** Each sends once in an interval, spread over it. */
  send(everyMs: number): void {
    this.#sending = true;
    this.#loops = this.#people.map(async (person, at) => {
      await sleep((at / this.#people.length) * everyMs);
      for (; this.#sending; await sleep(everyMs)) person.send();
    });
  }

  /** Stops sending, waits until everyone has everything, compares, and leaves. */
  async finish(): Promise<Seen> {
    this.#sending = false;
    await Promise.all(this.#loops);
    const until = performance.now() + SETTLE_MS;
    while (this.#people.some((person) => !person.settled) && performance.now() < until) await sleep(POLL_MS);
    const histories = new Map<string, Map<number, string>>();
    for (const { cid, client } of this.#people) if (!histories.has(cid)) histories.set(cid, await historyOf(client, cid));
    while (this.#people.some(({ cid, head }) => head < histories.get(cid)!.size) && performance.now() < until) await sleep(POLL_MS);
    const seen = this.#people.map((person) => person.compare(histories.get(person.cid)!));
    this.close();
    return merge(seen);
  }

  close(): void {
    this.#sending = false;
    for (const { client } of this.#people) client.close();
  }
}

class Person {
  readonly cid: string;
  readonly client: Client;
  readonly #conversation: Conversation;
  readonly #name: string;
  /** Seqs in the order in which the SDK told them. */
  readonly #shown: number[] = [];
  /** Text to seq, of what was saved. */
  readonly #saved = new Map<string, number>();
  readonly #failed: Record<string, number> = {};
  #sends = 0;
  #open = 0;
  #slowestMs = 0;
  #online = 0;

  constructor(url: string, name: string, cid: string) {
    this.cid = cid;
    this.#name = name;
    this.client = createClient({ url, device: name, getToken: () => signToken(name) });
    this.client.on('message', ({ seq }) => this.#shown.push(seq!));
    this.client.on('state', (state) => state === 'online' && this.#online++);
    this.#conversation = this.client.conversation(cid);
  }

  get settled(): boolean {
    return this.#open === 0;
  }

  /** Newest seq it was shown. */
  get head(): number {
    return this.#shown.at(-1) ?? 0;
  }

  async enter(): Promise<void> {
    this.client.connect();
    this.#conversation.open();
    const until = performance.now() + SETTLE_MS;
    while (!this.#conversation.getSnapshot().loaded) {
      if (performance.now() > until) throw new Error(`${this.#name} does not get in`);
      await sleep(POLL_MS);
    }
  }

  send(): void {
    const text = `${this.#name} ${this.#sends++}`;
    const startedAt = performance.now();
    this.#open++;
    this.#conversation
      .send({ body: { text } })
      .then(({ seq }) => {
        this.#saved.set(text, seq!);
        this.#slowestMs = Math.max(this.#slowestMs, performance.now() - startedAt);
      })
      .catch((error: unknown) => {
        const code = error instanceof GaplessError ? error.code : String(error);
        this.#failed[code] = (this.#failed[code] ?? 0) + 1;
      })
      .finally(() => this.#open--);
  }

  compare(history: ReadonlyMap<number, string>): Seen {
    const once = new Set(this.#shown);
    return {
      sends: this.#sends,
      failed: this.#failed,
      unanswered: this.#open,
      slowestMs: this.#slowestMs,
      lost: [...this.#saved].filter(([text, seq]) => history.get(seq) !== text).length,
      missed: [...history.keys()].filter((seq) => !once.has(seq)).length,
      repeated: this.#shown.length - once.size,
      reordered: this.#shown.filter((seq, at) => at > 0 && seq < this.#shown[at - 1]!).length,
      reconnects: Math.max(0, this.#online - 1),
    };
  }
}

function merge(all: readonly Seen[]): Seen {
  const sum = (read: (seen: Seen) => number) => all.reduce((total, seen) => total + read(seen), 0);
  const failed: Record<string, number> = {};
  for (const seen of all) for (const [code, count] of Object.entries(seen.failed)) failed[code] = (failed[code] ?? 0) + count;
  return {
    sends: sum(({ sends }) => sends),
    failed,
    unanswered: sum(({ unanswered }) => unanswered),
    slowestMs: Math.max(...all.map(({ slowestMs }) => slowestMs)),
    lost: sum(({ lost }) => lost),
    missed: sum(({ missed }) => missed),
    repeated: sum(({ repeated }) => repeated),
    reordered: sum(({ reordered }) => reordered),
    reconnects: sum(({ reconnects }) => reconnects),
  };
}

async function createGroup(url: string, participants: readonly string[]): Promise<string> {
  const response = await fetch(`${url}/v1/conversations`, {
    method: 'POST',
    headers: { authorization: `Bearer ${await signToken('backend', { role: 'admin' })}`, 'content-type': 'application/json' },
    body: JSON.stringify({ kind: 'group', participants }),
  });
  if (!response.ok) throw new Error(`creating a group is answered ${response.status}: ${await response.text()}`);
  return ((await response.json()) as { cid: string }).cid;
}

/** Seq to text. */
async function historyOf(client: Client, cid: string): Promise<Map<number, string>> {
  const history = new Map<number, string>();
  for (;;) {
    const { items, head } = await client.http.messages(cid, { after: history.size, limit: 200 });
    for (const { seq, body } of items) history.set(seq, String(body.text));
    if (items.length === 0 || history.size >= head) return history;
  }
}
