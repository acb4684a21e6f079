import { signToken } from '../token.ts';
import type { ClientPlan, LoadOptions } from './options.ts';

const PARTICIPANTS_PER_CALL = 1_000;
const CALLS_AT_ONCE = 20;

/** Creates the users and conversations of a run, as the app's backend would, and says who does what. */
export async function makePlans(run: string, options: LoadOptions): Promise<ClientPlan[]> {
  const size = options.mode === 'single_e2e' ? 2 : Math.min(options.groupSize, options.clients);
  const users = Array.from({ length: options.clients }, (_, index) => `${run}-u${index}`);
  const groups = Array.from({ length: Math.ceil(users.length / size) }, (_, group) => users.slice(group * size, (group + 1) * size));
  const cids: string[] = [];
  for (let at = 0; at < groups.length; at += CALLS_AT_ONCE)
    cids.push(...(await Promise.all(groups.slice(at, at + CALLS_AT_ONCE).map((group) => createGroup(options, group)))));
  return users.map((user, index) => ({
    index,
    user,
    cid: cids[Math.floor(index / size)]!,
    url: options.urls[index % options.urls.length]!,
    sends: true,
    ...rolesOf(index, options),
  }));
}

/** Spread evenly over the clients: `pct` of any hundred in a row. Who does not read neither dawdles nor flaps. */
export function rolesOf(
  index: number,
  { slowConsumerPct, noReadPct, flapPct }: Pick<LoadOptions, 'slowConsumerPct' | 'noReadPct' | 'flapPct'>,
): Pick<ClientPlan, 'slow' | 'noRead' | 'flaps'> {
  const place = (index * 61) % 100;
  const noRead = place < noReadPct;
  const slow = !noRead && place < noReadPct + slowConsumerPct;
  return { noRead, slow, flaps: !noRead && !slow && place < noReadPct + slowConsumerPct + flapPct };
}

async function createGroup({ urls, jwtSecret }: LoadOptions, users: readonly string[]): Promise<string> {
  const call = caller(urls[0]!, signToken(jwtSecret, 'gapless-load', 'admin'));
  const { cid } = await call('/v1/conversations', { kind: 'group', participants: users.slice(0, PARTICIPANTS_PER_CALL), title: 'load' });
  for (let at = PARTICIPANTS_PER_CALL; at < users.length; at += PARTICIPANTS_PER_CALL)
    await call(`/v1/conversations/${cid}/participants`, { userIds: users.slice(at, at + PARTICIPANTS_PER_CALL) });
  return cid!;
}

function caller(url: string, token: string) {
  return async (path: string, body: object): Promise<{ cid?: string }> => {
    const response = await fetch(`${url}${path}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    const text = await response.text();
    if (!response.ok) throw new LoadError(`${path} answers ${response.status}: ${text.slice(0, 200)}`);
    return text === '' ? {} : JSON.parse(text);
  };
}

/** What stops a run before it starts; told in one line. */
export class LoadError extends Error {
  readonly say = true;
}
