import { type Clock, ulid } from '@gapless/kit';
import type { ConversationKind, Role } from '@gapless/protocol';
import { PAGE_DEFAULT } from '@gapless/protocol';
import type { Actor, Chat, ConversationDetailView } from './chat.ts';
import { decodeCursor, encodeCursor } from './cursor.ts';
import type { Directory } from './directory.ts';
import { ChatError } from './errors.ts';
import type { Command, Outcome, Store } from './ports/store.ts';
import type { Writer } from './writer.ts';

/** Participants shown in a conversation's detail; `participantCount` is exact. */
const PARTICIPANTS_SHOWN_MAX = 1_000;

export interface ConversationDeps {
  store: Store;
  directory: Directory;
  writer: Pick<Writer, 'append'>;
  clock: Clock;
}

type Conversations = Pick<
  Chat,
  'createConversation' | 'addParticipants' | 'removeParticipant' | 'updateConversation' | 'conversations' | 'conversation'
>;

export function createConversations({ store, directory, writer, clock }: ConversationDeps): Conversations {
  async function write(command: Command): Promise<Outcome & { ok: true }> {
    const outcome = await writer.append(command);
    if (!outcome.ok) throw new ChatError(outcome.code, outcome.say === undefined ? {} : { say: outcome.say });
    return outcome;
  }

  /** The actor's role; the backend acts as owner everywhere, and is told when there is nothing. */
  async function requireRole(
    actor: Actor,
    cid: string,
  ): Promise<{ role: Role; kind: ConversationKind; members: ReadonlyMap<string, { role: Role }> }> {
    const known = await directory.load(cid);
    const role = actor.role === 'admin' ? 'owner' : known.members.get(actor.uid)?.role;
    if (role === undefined || directory.isSuspended(cid, actor.uid)) throw new ChatError('not_participant');
    return { role, kind: known.kind, members: known.members };
  }

  async function conversation(actor: Actor, cid: string): Promise<ConversationDetailView> {
    const [view, participants] = await Promise.all([
      store.conversationView(actor.uid, cid),
      store.participants(cid, { limit: PARTICIPANTS_SHOWN_MAX }),
    ]);
    if (view !== undefined) return { ...view, participants };
    const record = actor.role === 'admin' ? await store.conversation(cid) : undefined;
    if (record === undefined) throw new ChatError('not_participant');
    return { ...record, lastRead: 0, participants };
  }

  return {
    conversation,

    async createConversation(actor, { kind, participants, title }) {
      const outcome = await write({
        op: 'create',
        cid: ulid(clock.now()),
        kind,
        by: actor.uid,
        at: clock.now(),
        participants: withRoles(kind, participantsOf(actor, kind, participants)),
        createUsers: actor.role === 'admin',
        ...(title === undefined || kind === 'dm' ? {} : { title: title.toWellFormed() }),
      });
      if (outcome.op !== 'create') throw new ChatError('internal');
      return { conversation: await conversation(actor, outcome.cid), created: outcome.created };
    },

    async addParticipants(actor, cid, { users, role = 'member' }) {
      const own = await requireRole(actor, cid);
      if (own.kind === 'dm') throw new ChatError('forbidden', { say: 'A dm has exactly two participants.' });
      if (own.role === 'member' || (role === 'admin' && own.role !== 'owner')) throw new ChatError('forbidden');
      await write({
        op: 'add',
        cid,
        by: actor.uid,
        at: clock.now(),
        users: [...new Set(users)],
        role,
        createUsers: actor.role === 'admin',
      });
    },

    async removeParticipant(actor, cid, uid) {
      const own = await requireRole(actor, cid);
      if (own.kind === 'dm') throw new ChatError('forbidden', { say: 'A dm has exactly two participants.' });
      const other = own.members.get(uid)?.role;
      const allowed = uid === actor.uid || actor.role === 'admin' || own.role === 'owner' || (own.role === 'admin' && other !== 'owner');
      if (!allowed || (other === 'owner' && uid !== actor.uid && actor.role !== 'admin')) throw new ChatError('forbidden');
      // Also when the cache knows no such participant: it may be a removal under way, and its outcome is this one's too.
      await directory.suspended(cid, uid, () => write({ op: 'remove', cid, by: actor.uid, at: clock.now(), uid }));
    },

    async updateConversation(actor, cid, { title }) {
      const own = await requireRole(actor, cid);
      if (own.kind === 'dm' || own.role === 'member') throw new ChatError('forbidden');
      await write({ op: 'settings', cid, by: actor.uid, at: clock.now(), title: title.toWellFormed() });
    },

    async conversations(actor, { cursor, limit = PAGE_DEFAULT }) {
      const page = cursor === undefined ? { limit: limit + 1 } : { limit: limit + 1, before: decodeCursor(cursor) };
      const found = await store.conversationsOf(actor.uid, page);
      const items = found.slice(0, limit);
      const last = items.at(-1);
      return found.length > limit && last !== undefined ? { items, next: encodeCursor(last) } : { items };
    },
  };
}

/** Who takes part, the creator included, in order and once each. @throws ChatError bad_frame */
function participantsOf(actor: Actor, kind: ConversationKind, named: readonly string[]): string[] {
  const users = [...new Set(actor.role === 'admin' ? named : [actor.uid, ...named])];
  checkIds(users);
  if (kind === 'dm' && users.length !== 2) throw new ChatError('bad_frame', { say: 'participants: a dm has exactly two' });
  if (users.length === 0) throw new ChatError('bad_frame', { say: 'participants: at least one' });
  return users;
}

/** Ids are keys of the store and parts of paths: no control characters, no half characters, nothing that a path would walk along. */
function checkIds(users: readonly string[]): void {
  const bad = users.find((uid) => !uid.isWellFormed() || /\p{Cc}/u.test(uid) || /^\.{1,2}$/.test(uid));
  if (bad !== undefined) throw new ChatError('bad_frame', { say: 'participants: not a user id' });
}

function withRoles(kind: ConversationKind, users: string[]): { uid: string; role: Role }[] {
  return users.map((uid, i) => ({ uid, role: i === 0 && kind !== 'dm' ? 'owner' : 'member' }));
}
