import { type Client, createAccount, createClient, indexedDbOutbox } from '@gapless/sdk';
import { drafts } from './lib/drafts.ts';
import { go } from './lib/route.ts';
import { storage } from './lib/storage.ts';
import { createStore } from './lib/store.ts';

/** Close codes after which the session is over: no token that counts, banned or signed out elsewhere. */
const FINAL_CLOSES = [4401, 4403];

export interface Session {
  readonly userId: string;
  readonly client: Client;
}

export interface SessionState {
  readonly current?: Session;
  /** The session ended by itself: say so above the form. */
  readonly notice?: 'ended';
}

const account = createAccount({ url: location.origin, storage });

/** Who is signed in; survives a reload. */
export const session = createStore<SessionState>(resume());

export async function signIn(credentials: { username: string; password: string }): Promise<void> {
  await account.login(credentials);
  session.set(resume());
}

export async function signUp(credentials: { username: string; password: string; displayName?: string }): Promise<void> {
  await account.register(credentials);
  session.set(resume());
}

/** Ends the session here even when the server cannot be told. */
export async function signOut(notice?: 'ended'): Promise<void> {
  const { current } = session.getSnapshot();
  current?.client.close();
  drafts.clear();
  // Whoever was thrown out comes back to the same conversation.
  if (notice === undefined) go(undefined);
  session.set(notice === undefined ? {} : { notice });
  // Another tab may be someone else by now: that session is not ours to end.
  if (current === undefined || account.userId === current.userId) await account.logout().catch(() => undefined);
}

// Tabs share the session: when one signs out, or in as someone else, the others follow.
globalThis.addEventListener?.('storage', () => {
  const { current } = session.getSnapshot();
  if (account.userId === current?.userId) return;
  current?.client.close();
  drafts.clear();
  session.set(resume());
});

/** A client speaks for the user it was made for, or for nobody. */
async function tokenOf(userId: string): Promise<string | undefined> {
  if (account.userId !== userId) return undefined;
  const token = await account.getToken();
  return account.userId === userId ? token : undefined;
}

function resume(): SessionState {
  const { userId } = account;
  if (userId === undefined) return {};
  const client = createClient({
    url: location.origin,
    getToken: () => tokenOf(userId),
    device: deviceId(),
    outbox: indexedDbOutbox(`gapless-outbox-${userId}`),
  });
  client.on('state', (state, reason) => {
    const over = account.userId === undefined || (reason !== undefined && FINAL_CLOSES.includes(reason.code));
    if (state === 'closed' && over && session.getSnapshot().current?.client === client) void signOut('ended');
  });
  client.connect();
  return { current: { userId, client } };
}

/** One per browser profile. `randomUUID` is missing on plain http, so bytes are spelt by hand. */
function deviceId(): string {
  const kept = storage.getItem('gapless.device');
  if (kept !== null) return kept;
  const made = Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(16).padStart(2, '0')).join('');
  storage.setItem('gapless.device', made);
  return made;
}
