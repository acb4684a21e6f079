import { createHash, randomBytes } from 'node:crypto';
import type { Clock } from '@gapless/kit';
import { SESSIONS_MAX } from '@gapless/protocol';
import type { TokenSigner, VerifiedToken } from './auth.ts';
import { ChatError } from './errors.ts';
import type { UserRecord } from './model.ts';
import { PasswordHasher } from './password.ts';
import type { AccountStore, SessionRecord } from './ports/store.ts';
import { Revocations, type RevokedListener } from './revocations.ts';
import { SessionPruner } from './session-pruner.ts';
import { addressBlock, Throttle } from './throttle.ts';

export interface AccountsDeps {
  store: AccountStore;
  tokens: TokenSigner;
  clock: Clock;
  /** Life of an access token. */
  accessTtlMs: number;
  /** Whether anyone may make a local account. */
  registration: 'open' | 'closed';
  /** Throttling of sign-in and registration; off only for load tests. */
  rateLimits: boolean;
  /** Told of sign-ins that were ended here, so that other nodes hear of it. */
  announceRevoked?: (sids: readonly string[], until: number) => void;
}

/** What a sign-in gives. `expiresIn` is the access token's life in seconds. */
export interface SignedIn {
  readonly userId: string;
  readonly accessToken: string;
  readonly refreshToken: string;
  readonly expiresIn: number;
}

/** Who asks: `ip` for the throttle, `label` for the user to tell the sign-in by. */
export interface Caller {
  readonly ip: string;
  readonly label?: string;
}

export interface Accounts {
  /** Makes the account and signs it in. @throws ChatError forbidden | username_taken | rate_limited | server_busy */
  register(account: { username: string; password: string; displayName?: string | undefined }, caller: Caller): Promise<SignedIn>;
  /** @throws ChatError unauthorized | rate_limited | server_busy */
  login(credentials: { username: string; password: string }, caller: Caller): Promise<SignedIn>;
  /** Each refresh token works once; one that comes again signs its whole sign-in out. @throws ChatError unauthorized */
  refresh(refreshToken: string): Promise<SignedIn>;
  /**
   * Ends a sign-in: its refresh token is void, its access tokens are refused from now on. `tokenExpiresAt`: of the token that asks for it.
   * Of a sid that the app's backend gave out nothing is stored: it is refused until the token expires or this process restarts.
   */
  logout(sid: string, tokenExpiresAt?: number): Promise<void>;
  /** Where the token's user is signed in, last seen first. Empty for a token that is of no sign-in: an app's backend made it. */
  sessions(token: VerifiedToken): Promise<SessionRecord[]>;
  /** Ends one sign-in of the user, at once everywhere. @throws ChatError not_found, alike for another's and one that never was */
  signOut(uid: string, sid: string): Promise<void>;
  /** Ends every sign-in of the token's user but the token's own. */
  signOutOthers(token: VerifiedToken): Promise<void>;
  /** The token's user, created if it was never seen. */
  me(token: VerifiedToken): Promise<UserRecord>;
  isRevoked(sid: string): boolean;
  /** Sign-ins that another node ended. */
  learnRevoked(sids: readonly string[], until?: number): void;
  /** Asks the store which sign-ins have ended, where that may not have been told. */
  refreshRevoked(): Promise<void>;
  /** Told of sign-ins that end before their tokens do, those that end together at once. Returns a function that stops it. */
  onRevoked(listener: RevokedListener): () => void;
  /** Creates the token's user unless it exists. Cheap for users seen before. */
  ensureSeen(token: VerifiedToken): Promise<void>;
  /** Stops what runs by itself. Safe to call twice. */
  close(): Promise<void>;
}

const DAY_MS = 24 * 60 * 60 * 1000;
const MINUTE_MS = 60_000;

/** A device that was not used for this long signs in again. */
const REFRESH_TTL_MS = 30 * DAY_MS;
const REFRESH_BYTES = 32;

/** The longest access token the protocol knows: one made before the setting was lowered is not forgotten early. */
const ACCESS_TTL_MAX_MS = 60 * MINUTE_MS;

/** Guesses: a sign-in that succeeds starts it anew. */
const LOGIN_PER_USER = { attempts: 5, windowMs: MINUTE_MS };
/** Room for an office behind one address in the morning; 30 a minute for one that goes on. */
const LOGIN_PER_IP = { attempts: 300, windowMs: 10 * MINUTE_MS };
const REGISTER_PER_IP = { attempts: 200, windowMs: 10 * MINUTE_MS };

/** Users known to exist, by id; the oldest is asked for again. */
const SEEN_MAX = 50_000;

/** Local accounts and their sign-ins. Loads the sign-ins that ended lately, so that a restart does not revive their tokens. */
export async function createAccounts(deps: AccountsDeps): Promise<Accounts> {
  const { store, tokens, clock, accessTtlMs, registration, rateLimits } = deps;
  const hasher = new PasswordHasher();
  const loginPerUser = new Throttle(LOGIN_PER_USER);
  const loginPerIp = new Throttle(LOGIN_PER_IP);
  const registerPerIp = new Throttle(REGISTER_PER_IP);
  const seen = new Set<string>();

  const keepMs = Math.max(accessTtlMs, ACCESS_TTL_MAX_MS);
  const revocations = new Revocations({ keepMs });
  await refreshRevoked();
  const pruner = new SessionPruner({ store, clock });

  async function refreshRevoked(): Promise<void> {
    learnRevoked(await store.revokedSessions(clock.now() - keepMs));
  }

  function learnRevoked(sids: readonly string[], until = 0): void {
    revocations.add(
      sids.filter((sid) => !revocations.has(sid)),
      clock.now(),
      until,
    );
  }

  function revoke(sids: readonly string[], at: number, until = 0): void {
    revocations.add(sids, at, until);
    if (sids.length > 0) deps.announceRevoked?.(sids, until);
  }

  async function signIn(uid: string, displayName: string, { label = '' }: Caller): Promise<SignedIn> {
    const at = clock.now();
    const sid = randomBytes(16).toString('base64url');
    const refreshToken = newRefreshToken();
    const session = { sid, uid, label, createdAt: at, lastSeenAt: at, expiresAt: at + REFRESH_TTL_MS };
    const surplus = await store.createSession({ ...session, refreshHash: digest(refreshToken), liveMax: SESSIONS_MAX });
    revoke(surplus, at);
    return signedIn({ uid, sid, name: displayName, refreshToken });
  }

  async function signedIn({ uid, sid, name, refreshToken }: { uid: string; sid: string; name: string; refreshToken: string }) {
    const at = clock.now();
    const accessToken = await tokens.sign({ uid, sid, name, at, expiresAt: at + accessTtlMs });
    return { userId: uid, accessToken, refreshToken, expiresIn: Math.floor(accessTtlMs / 1000) };
  }

  async function displayNameOf(uid: string): Promise<string> {
    const [user] = await store.users([uid]);
    return user?.displayName ?? uid;
  }

  const ensureUser = ({ uid, name }: VerifiedToken): Promise<UserRecord> =>
    store.ensureUser({ uid, at: clock.now(), ...(name === undefined ? {} : { displayName: name }) });

  return {
    async register({ username, password, displayName = username }, caller) {
      if (registration === 'closed') throw new ChatError('forbidden', { say: 'Registration is closed.' });
      if (rateLimits) registerPerIp.take(addressBlock(caller.ip), clock.elapsed());
      const passwordHash = await hasher.hash(password);
      const made = await store.createAccount({ uid: username, displayName, passwordHash, at: clock.now() });
      if (!made) throw new ChatError('username_taken');
      return signIn(username, displayName, caller);
    },

    async login({ username, password }, caller) {
      const address = addressBlock(caller.ip);
      const guess = `${address} ${username.toLowerCase()}`;
      if (rateLimits) {
        loginPerIp.take(address, clock.elapsed());
        loginPerUser.take(guess, clock.elapsed());
      }
      const credentials = await store.credentials(username);
      const good = await hasher.verify(password, credentials?.passwordHash);
      if (credentials === undefined || !good) throw new ChatError('unauthorized', { say: 'Wrong user name or password.' });
      loginPerUser.forget(guess);
      return signIn(credentials.uid, await displayNameOf(credentials.uid), caller);
    },

    async refresh(refreshToken) {
      const at = clock.now();
      const next = newRefreshToken();
      const rotation = await store.rotateSession({
        refreshHash: digest(refreshToken),
        nextHash: digest(next),
        at,
        expiresAt: at + REFRESH_TTL_MS,
      });
      if (rotation.result === 'reused') revoke([rotation.session.sid], at);
      if (rotation.result !== 'ok') throw new ChatError('unauthorized', { say: 'Sign in again.' });
      const { sid, uid } = rotation.session;
      // The old token is spent: failing now would make the client's next try look like reuse.
      const name = await displayNameOf(uid).catch(() => uid);
      return signedIn({ uid, sid, name, refreshToken: next });
    },

    async logout(sid, tokenExpiresAt) {
      await store.revokeSession(sid, clock.now());
      revoke([sid], clock.now(), tokenExpiresAt);
    },

    async sessions({ uid, sid }) {
      return sid === undefined ? [] : store.sessionsOf(uid, { at: clock.now(), limit: SESSIONS_MAX });
    },

    async signOut(uid, sid) {
      if (!(await store.revokeSession(sid, clock.now(), uid))) throw new ChatError('not_found');
      revoke([sid], clock.now());
    },

    async signOutOthers({ uid, sid }) {
      const ended = await store.revokeSessionsOf(uid, { at: clock.now(), ...(sid === undefined ? {} : { except: sid }) });
      revoke(ended, clock.now());
    },

    me: ensureUser,
    learnRevoked,
    refreshRevoked,
    isRevoked: (sid) => revocations.has(sid),
    onRevoked: (listener) => revocations.onAdded(listener),

    async ensureSeen(token) {
      if (seen.has(token.uid)) return;
      await ensureUser(token);
      seen.add(token.uid);
      if (seen.size > SEEN_MAX) seen.delete(seen.values().next().value!);
    },

    close: () => pruner.close(),
  };
}

function newRefreshToken(): string {
  return randomBytes(REFRESH_BYTES).toString('base64url');
}

/** The store never sees a token that could be used. */
function digest(refreshToken: string): string {
  return createHash('sha256').update(refreshToken).digest('hex');
}
