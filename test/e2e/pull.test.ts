import { type Client, createClient } from '@gapless/sdk';
import { type LaunchedServer, launchServer } from '@gapless/testkit';
import { expect, onTestFinished, test } from 'vitest';

// Goal: a conversation that the server does not push is whole for everyone who looks. Method: the real server in each mode, the SDK,
// over each transport.

async function client(server: LaunchedServer, user: string, transport: 'websocket' | 'sse'): Promise<Client> {
  const token = await server.token(user);
  const made = createClient({ url: server.url, getToken: async () => token, transport });
  onTestFinished(() => made.close());
  made.connect();
  await until(made.connection, () => made.state === 'online');
  return made;
}

function until(observable: { subscribe(listener: () => void): () => void }, fact: () => boolean): Promise<void> {
  return new Promise((resolve) => {
    const check = () => {
      if (!fact()) return;
      stop();
      resolve();
    };
    const stop = observable.subscribe(check);
    check();
  });
}

test.each([
  ['notify', 'websocket'],
  ['notify', 'sse'],
  ['none', 'websocket'],
  ['none', 'sse'],
] as const)('%s over %s: all messages, in order, once', async (mode, transport) => {
  const server = await launchServer({ env: { GAPLESS_GROUP_CHAT_STRATEGY_MODE: mode } });
  onTestFinished(async () => void (await server.stop()));
  const ann = await client(server, 'ann', transport);
  const bob = await client(server, 'bob', transport);
  const { cid } = await ann.http.createConversation({ kind: 'group', title: 'Many', participants: ['bob'] });
  const views = [ann, bob].map((each) => each.conversation(cid));
  for (const view of views) view.open();
  for (const view of views) await until(view, () => view.getSnapshot().loaded);
  const heard: number[] = [];
  bob.on('message', ({ seq }) => heard.push(seq!));
  for (let n = 1; n <= 30; n++) await views[n % 2]!.send({ body: { text: `${n}` } });
  for (const view of views) await until(view, () => view.getSnapshot().messages.filter(({ seq }) => seq !== undefined).length === 30);
  for (const view of views) {
    const { messages, head } = view.getSnapshot();
    expect(head).toBe(30);
    expect(messages.map(({ seq, body }) => `${seq} ${body.text}`)).toEqual(Array.from({ length: 30 }, (_, i) => `${i + 1} ${i + 1}`));
  }
  expect(heard).toEqual(Array.from({ length: 30 }, (_, i) => i + 1));
});
