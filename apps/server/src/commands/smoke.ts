import { type Client, type Conversation, createAccount, createClient, GaplessError, type TimelineSnapshot } from '@gapless/sdk';

export interface SmokeOptions {
  /** Origin of the server; or of two nodes of it, with a comma: then each user is on one of them. */
  url: string;
  scenario: 'basic';
}

/** Each step is answered by then, or it failed. */
const STEP_MAX_MS = 10_000;

interface Person {
  readonly name: string;
  readonly client: Client;
  readonly signOut: () => Promise<void>;
}

/**
 * Two new users go through what a chat is for, over the public API only; each step is one line of the report.
 * Resolves to whether all passed. Leaves behind two users and their dm.
 */
export async function smoke({ url, scenario }: SmokeOptions): Promise<boolean> {
  console.log(`smoke ${scenario} against ${url}`);
  const started = performance.now();
  const report = new Report();
  const people: Person[] = [];
  try {
    await basic(url.split(','), report, people);
  } catch {
    // The step that failed was reported; those after it make no sense.
  }
  for (const { client } of people) client.close();
  const { passed, failed } = report;
  console.log(
    `${failed === 0 ? 'PASSED' : 'FAILED'}: ${passed} steps passed, ${failed} failed, in ${Math.round(performance.now() - started)} ms`,
  );
  return failed === 0;
}

async function basic(urls: readonly string[], report: Report, people: Person[]): Promise<void> {
  const tag = Date.now().toString(36);
  await report.step('the server is ready', async () => {
    for (const url of urls) {
      const response = await fetch(`${url}/readyz`);
      if (!response.ok) throw new Error(`${url}/readyz answers ${response.status}: ${await response.text()}`);
    }
  });
  await report.step('two users register', async () => {
    for (const [i, name] of [`smoke-a-${tag}`, `smoke-b-${tag}`].entries()) people.push(await register(urls[i % urls.length]!, name));
  });
  const [ada, bo] = people as [Person, Person];
  await report.step('both connect', () => Promise.all(people.map(({ client }) => online(client))));
  const { cid } = await report.step('a dm is made', () => ada.client.http.createConversation({ kind: 'dm', participants: [bo.name] }));
  const [adas, bos] = people.map(({ client }) => client.conversation(cid)) as [Conversation, Conversation];
  await report.step('both join it', async () => {
    for (const conversation of [adas, bos]) {
      conversation.open();
      await until(conversation, ({ loaded }) => loaded, 'the conversation is loaded');
    }
  });
  await report.step('a message is saved, delivered and read', async () => {
    const { seq } = await adas.send({ body: { text: 'one' } });
    if (seq !== 1) throw new Error(`the first message has seq ${seq}`);
    await until(bos, ({ messages }) => messages.length === 1, 'the other side sees it');
    bos.markRead();
    await until(adas, ({ messages }) => messages[0]?.status === 'read', 'the sender sees that it was read');
  });
  await report.step('what was sent while away arrives once, in order', async () => {
    bo.client.close();
    for (const text of ['two', 'three', 'four']) await adas.send({ body: { text } });
    const waiting = bos.send({ body: { text: 'five' } });
    bo.client.connect();
    await waiting;
    for (const conversation of [adas, bos])
      await until(conversation, (snapshot) => texts(snapshot) === 'one two three four five', 'both see the same list');
  });
  await report.step('the history says the same', async () => {
    const { items, head } = await bo.client.http.messages(cid, { after: 0 });
    const seen = items.map(({ seq, body }) => `${seq}:${body.text}`).join(' ');
    if (head !== 5 || seen !== '1:one 2:two 3:three 4:four 5:five') throw new Error(`head ${head}, ${seen}`);
  });
  await report.step('after signing out the session is refused', async () => {
    await bo.signOut();
    await until(bo.client.connection, ({ state }) => state === 'closed', 'the live connection ends');
  });
}

async function register(url: string, name: string): Promise<Person> {
  const account = createAccount({ url });
  await account.register({ username: name, password: `smoke ${crypto.randomUUID()}` });
  const client = createClient({ url, getToken: () => account.getToken() });
  return { name, client, signOut: () => account.logout() };
}

async function online(client: Client): Promise<void> {
  client.connect();
  await until(client.connection, ({ state }) => state === 'online', 'the client is online');
}

const texts = ({ messages }: TimelineSnapshot) => messages.map(({ body }) => body.text).join(' ');

/** Waits until what is observed fits. */
function until<T>(
  observed: { subscribe(listener: () => void): () => void; getSnapshot(): T },
  fits: (value: T) => boolean,
  what: string,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => end(() => reject(new Error(`waited ${STEP_MAX_MS} ms until ${what}`))), STEP_MAX_MS);
    const look = () => fits(observed.getSnapshot()) && end(resolve);
    const unsubscribe = observed.subscribe(look);
    function end(settle: () => void): void {
      clearTimeout(timer);
      queueMicrotask(() => unsubscribe());
      settle();
    }
    look();
  });
}

class Report {
  passed = 0;
  failed = 0;

  async step<T>(name: string, task: () => Promise<T>): Promise<T> {
    const started = performance.now();
    try {
      const value = await task();
      this.passed++;
      console.log(`  ok      ${name} (${Math.round(performance.now() - started)} ms)`);
      return value;
    } catch (error) {
      this.failed++;
      console.log(`  FAILED  ${name}: ${explain(error)}`);
      throw error;
    }
  }
}

function explain(error: unknown): string {
  if (error instanceof GaplessError) return `${error.code}: ${error.message}`;
  const { message, cause } = error as Error & { cause?: Error };
  return cause === undefined ? message : `${message} (${cause.message})`;
}
