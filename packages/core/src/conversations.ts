import { type Clock, ulid } from '@gapless/kit';
import type { ConversationKind, Role } from '@gapless/protocol';
import { PAGE_DEFAULT } from '@gapless/protocol';
import type { Actor, Chat, ConversationDetailView } from './chat.ts';
import { decodeCursor, encodeCursor } from './cursor.ts';
import type { Directory, Known } from './directory.ts';
import { ChatError, outcomeError } from './errors.ts';
import type { Command, Store } from './ports/store.ts';
import { writeGuarded } from './rights.ts';
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

interface Place {
  readonly role: Role;
  readonly kind: ConversationKind;
  readonly members: ReadonlyMap<string, { role: Role }>;
}

export function createConversations(deps: ConversationDeps): Conversations {
  const { store, directory, writer, clock } = deps;

  /** The actor's place; the backend acts as owner everywhere, and is told when there is nothing. */
  function placeOf(actor: Actor, { kind, members }: Known): Place | undefined {
    const role = actor.role === 'admin' ? 'owner' : members.get(actor.uid)?.role;
    return role === undefined ? undefined : { role, kind, members };
  }

  /** For those whose role allows it: `command` throws for the others. The backend's right rests on nothing that could change. */
  const guarded = (actor: Actor, cid: string, place: (known: Known) => Place | undefined, command: (own: Place) => Command) =>
    writeGuarded(deps, { cid, uid: actor.uid }, (known, rights) => {
      const own = place(known);
      if (own === undefined) return undefined;
      return actor.role === 'admin' ? command(own) : { ...command(own), ...rights, callerRole: own.role };
    });

  const change = (actor: Actor, cid: string, command: (own: Place) => Command): Promise<unknown> =>
    guarded(actor, cid, (known) => (directory.isSuspended(cid, actor.uid) ? undefined : placeOf(actor, known)), command);

  async function conversation(actor: Actor, cid: string): Promise<ConversationDetailView> {
    // The participants second: they are never older than the rev by which a client knows whether it has to ask again.
    const view = await store.conversationView(actor.uid, cid);
    const participants = await store.participants(cid, { limit: PARTICIPANTS_SHOWN_MAX });
    if (view !== undefined) return { ...view, participants };
    const record = actor.role === 'admin' ? await store.conversation(cid) : undefined;
    if (record === undefined) throw new ChatError('not_participant');
    return { ...record, lastRead: 0, participants };
  }

  return {
    conversation,

    async createConversation(actor, { kind, participants, title }) {
      const outcome = await writer.append({
        op: 'create',
        cid: ulid(clock.now()),
        kind,
        by: actor.uid,
        at: clock.now(),
        participants: withRoles(kind, participantsOf(actor, kind, participants)),
        createUsers: actor.role === 'admin',
        ...(title === undefined || kind === 'dm' ? {} : { title: title.toWellFormed() }),
      });
      if (!outcome.ok) throw outcomeError(outcome);
      if (outcome.op !== 'create') throw new ChatError('internal');
      return { conversation: await conversation(actor, outcome.cid), created: outcome.created };
    },

    async addParticipants(actor, cid, { users, role = 'member' }) {
      await change(actor, cid, (own) => {
        if (own.kind === 'dm') throw new ChatError('forbidden', { say: 'A dm has exactly two participants.' });
        if (own.role === 'member' || (role === 'admin' && own.role !== 'owner')) throw new ChatError('forbidden');
        const createUsers = actor.role === 'admin';
        return { op: 'add', cid, by: actor.uid, at: clock.now(), users: [...new Set(users)], role, createUsers };
      });
    },

    async removeParticipant(actor, cid, uid) {
      const remove = (own: Place): Command => {
        if (own.kind === 'dm') throw new ChatError('forbidden', { say: 'A dm has exactly two participants.' });
        const other = own.members.get(uid)?.role;
        const allowed = uid === actor.uid || actor.role === 'admin' || own.role === 'owner' || (own.role === 'admin' && other !== 'owner');
        if (!allowed || (other === 'owner' && uid !== actor.uid && actor.role !== 'admin')) throw new ChatError('forbidden');
        // Also when the cache knows no such participant: it may be a removal under way, and its outcome is this one's too.
        return { op: 'remove', cid, by: actor.uid, at: clock.now(), uid };
      };
      // Looked at first: who may not remove must not hold up the other's sends, not even for a moment.
      const known = await directory.load(cid);
      const place = placeOf(actor, known) ?? placeOf(actor, (await directory.lookAgain(known, actor.uid)) ?? known);
      if (place === undefined || directory.isSuspended(cid, actor.uid)) throw new ChatError('not_participant');
      remove(place);
      await directory.suspended(cid, uid, () => guarded(actor, cid, (now) => placeOf(actor, now), remove));
    },

    async updateConversation(actor, cid, { title }) {
      await change(actor, cid, (own) => {
        if (own.kind === 'dm' || own.role === 'member') throw new ChatError('forbidden');
        return { op: 'settings', cid, by: actor.uid, at: clock.now(), title: title.toWellFormed() };
      });
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
