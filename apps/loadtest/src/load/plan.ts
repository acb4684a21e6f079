import { signToken } from '../token.ts';
import { sourceOf } from './addresses.ts';
import type { ClientPlan, LoadOptions, Role } from './options.ts';

const PARTICIPANTS_PER_CALL = 1_000;
const CALLS_AT_ONCE = 20;

/** Creates the users and conversations of a run, as the app's backend would, and says who does what. */
export async function makePlans(run: string, options: LoadOptions): Promise<ClientPlan[]> {
  const size = options.mode === 'single_e2e' ? 2 : Math.min(options.groupSize, options.clients);
  const users = Array.from({ length: options.clients }, (_, index) => `${run}-u${index}`);
  const groups = Array.from({ length: Math.ceil(users.length / size) }, (_, group) => users.slice(group * size, (group + 1) * size));
  const { urls } = options;
  const token = signToken(options.jwtSecret, 'gapless-load', 'admin');
  const cids: string[] = new Array(groups.length);
  let next = 0;
  const create = async () => {
    for (let at = next++; at < groups.length; at = next++) cids[at] = await createGroup(urls[at % urls.length]!, token, groups[at]!);
  };
  await Promise.all(Array.from({ length: CALLS_AT_ONCE }, create));
  return users.map((user, index) => ({
    index,
    user,
    cid: cids[Math.floor(index / size)]!,
    node: index % urls.length,
    ...sourceOf(index, options),
    sends: options.senders === 0 || index % size < options.senders,
    role: roleOf(index, options),
    steady: options.mode === 'resume' && (index * 37 + 11) % 100 < options.steadyPct,
  }));
}

/** Spread evenly over the clients: so many of any hundred in a row. */
export function roleOf(
  index: number,
  { slowConsumerPct, noReadPct, flapPct }: Pick<LoadOptions, 'slowConsumerPct' | 'noReadPct' | 'flapPct'>,
): Role {
  const place = (index * 61) % 100;
  if (place < noReadPct) return 'noRead';
  if (place < noReadPct + slowConsumerPct) return 'slow';
  return place < noReadPct + slowConsumerPct + flapPct ? 'flaps' : 'fast';
}

async function createGroup(url: string, token: string, users: readonly string[]): Promise<string> {
  const participants = users.slice(0, PARTICIPANTS_PER_CALL);
  const { cid } = await post(`${url}/v1/conversations`, token, { kind: 'group', participants, title: 'load' });
  for (let at = PARTICIPANTS_PER_CALL; at < users.length; at += PARTICIPANTS_PER_CALL)
    await post(`${url}/v1/conversations/${cid}/participants`, token, { userIds: users.slice(at, at + PARTICIPANTS_PER_CALL) });
  return cid!;
}

async function post(url: string, token: string, body: object): Promise<{ cid?: string }> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  const text = await response.text();
  if (!response.ok) throw new LoadError(`${url} answers ${response.status}: ${text.slice(0, 200)}`);
  return text === '' ? {} : JSON.parse(text);
}

/** What stops a run before it starts; told in one line. */
export class LoadError extends Error {
  readonly say = true;
}
