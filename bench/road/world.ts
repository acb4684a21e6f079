import { RawClient } from '../lib/raw-client.ts';
import type { BenchServer } from '../lib/server.ts';

/** Makes conversations as the app's backend would. */
export async function createConversations(server: BenchServer, groups: readonly (readonly string[])[]): Promise<string[]> {
  const token = await server.token('backend', { role: 'admin' });
  const cids: string[] = [];
  for (let at = 0; at < groups.length; at += 50) {
    const made = groups.slice(at, at + 50).map(async (participants) => {
      const [first, ...rest] = participants;
      const create = { kind: 'group', participants: [first, ...rest.slice(0, 999)] };
      const { cid } = (await post(`${server.url}/v1/conversations`, token, create)) as { cid: string };
      return cid;
    });
    cids.push(...(await Promise.all(made)));
  }
  return cids;
}

/** More members than one call may name. */
export async function addMembers(server: BenchServer, cid: string, names: readonly string[]): Promise<void> {
  const token = await server.token('backend', { role: 'admin' });
  for (let at = 0; at < names.length; at += 1_000)
    await post(`${server.url}/v1/conversations/${cid}/participants`, token, { userIds: names.slice(at, at + 1_000) });
}

async function post(url: string, token: string, body: object): Promise<unknown> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
    body: JSON.stringify(body),
  });
  if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
  return response.json();
}

/** Opens connections, a hundred at a time, each ready. */
export async function openClients(server: BenchServer, users: readonly string[], query = ''): Promise<RawClient[]> {
  const clients: RawClient[] = [];
  for (let at = 0; at < users.length; at += 100) {
    const opened = users.slice(at, at + 100).map(async (user) => {
      const client = await RawClient.open({ port: server.port, token: await server.token(user), query });
      if (client.frames === 0) await client.waitFor((frame) => frame.t === 'ready');
      return client;
    });
    clients.push(...(await Promise.all(opened)));
  }
  return clients;
}

export async function joinAll(clients: readonly RawClient[], cid: (i: number) => string): Promise<void> {
  for (let at = 0; at < clients.length; at += 200) {
    await Promise.all(
      clients.slice(at, at + 200).map(async (client, i) => {
        const joined = client.waitFor((frame) => frame.t === 'joined');
        client.send({ t: 'join', cid: cid(at + i) });
        await joined;
      }),
    );
  }
}

export const users = (count: number, prefix = 'u') => Array.from({ length: count }, (_, i) => `${prefix}${i}`);
export const BODY = { text: 'Good morning! 早上好，今天的会议改到下午三点，请大家准时参加。See you at three in room 5.' };
