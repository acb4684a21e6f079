import type { Chat, Presence, PresenceState } from '@gapless/core';
import { ChatError } from '@gapless/core';
import { WATCH_MAX } from '@gapless/protocol';
import type { Authed } from './context.ts';
import { Frame } from './frame.ts';
import type { Hub } from './hub.ts';
import type { Session } from './session.ts';

/** Who watches whom. Only users that share a conversation see each other, asked anew at every change. */
export class PresenceWatch {
  readonly #deps: { hub: Hub; chat: Pick<Chat, 'acquainted'>; presence: Presence };
  readonly #watchers = new Map<string, Set<Session>>();
  readonly #stop: () => void;

  constructor(deps: { hub: Hub; chat: Pick<Chat, 'acquainted'>; presence: Presence }) {
    this.#deps = deps;
    this.#stop = deps.presence.onChange((state) => void this.#changed(state).catch(() => {}));
  }

  close(): void {
    this.#stop();
  }

  /** Answers with the present state of each user that may be seen; says nothing of the others. */
  async watch(session: Authed, uids: readonly string[]): Promise<void> {
    const watching = (session.watching ??= new Set());
    if (new Set([...watching, ...uids]).size > WATCH_MAX) throw new ChatError('bad_frame', { say: `watch: more than ${WATCH_MAX} users` });
    for (const uid of uids) {
      watching.add(uid);
      const watchers = this.#watchers.get(uid);
      if (watchers === undefined) this.#watchers.set(uid, new Set([session]));
      else watchers.add(session);
    }
    const visible = await this.#deps.chat.acquainted(session.actor, uids);
    for (const state of await this.#deps.presence.list(visible)) this.#tell(session, state);
  }

  unwatch(session: Session, uids: Iterable<string>): void {
    for (const uid of uids) {
      session.watching?.delete(uid);
      const watchers = this.#watchers.get(uid);
      watchers?.delete(session);
      if (watchers?.size === 0) this.#watchers.delete(uid);
    }
  }

  async #changed(state: PresenceState): Promise<void> {
    const sessions = this.#watchers.get(state.uid);
    if (sessions === undefined) return;
    const byUser = Map.groupBy(sessions, (session) => session.actor!);
    const actor = { uid: state.uid, role: 'user' } as const;
    const friends = new Set(await this.#deps.chat.acquainted(actor, [...new Set([...byUser.keys()].map(({ uid }) => uid))]));
    for (const session of sessions) if (friends.has(session.actor!.uid)) this.#tell(session, state);
  }

  #tell(session: Session, { uid, online, lastSeen }: PresenceState): void {
    const frame = Frame.of({
      t: 'presence',
      user: uid,
      state: online ? 'online' : 'offline',
      ...(lastSeen === undefined ? {} : { lastSeen }),
    });
    this.#deps.hub.flusher.merge(session, `presence ${uid}`, frame, { droppable: true });
  }
}
