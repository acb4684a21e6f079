import type { ChangeDetail, Committed, CommittedEntry, Directory, Known, Log } from '@gapless/core';
import type { Clock } from '@gapless/kit';
import { Frame } from './frame.ts';
import type { Hub } from './hub.ts';

export interface NoticesOptions {
  hub: Hub;
  directory: Directory;
  clock: Clock;
  log: Log;
  /** Between two notices of new messages in one conversation; the first goes at once, the last is never left out. */
  everyMs: number;
}

/** A conversation of this many more members rests this much longer: the notices of a large room must not weigh as its messages do. */
const REST_MS_PER_MEMBER = 1;

/** `conversation` frames: what happens in a user's conversations, to all of their connections. New messages are told merged, as head and unread. */
export class Notices {
  readonly #options: NoticesOptions;
  /** Conversations told of lately, and whether something came since. */
  readonly #resting = new Map<string, { again: boolean }>();

  constructor(options: NoticesOptions) {
    this.#options = options;
  }

  publish({ entries, receipts }: Committed): void {
    for (const entry of entries) {
      if (entry.op === 'message') this.#changed(entry.cid);
      // The lost messages themselves are told too.
      else if (entry.detail.op !== 'lost') void this.#membership(entry, entry.detail);
    }
    for (const { op, cid, uid } of receipts) {
      const known = op === 'read' ? this.#options.directory.peek(cid) : undefined;
      if (known?.members.has(uid)) this.#tell(known, uid, 'changed');
    }
  }

  #changed(cid: string): void {
    const resting = this.#resting.get(cid);
    if (resting !== undefined) {
      resting.again = true;
      return;
    }
    const state = { again: false };
    this.#resting.set(cid, state);
    const known = this.#options.directory.peek(cid);
    // Written on another node, say: nobody here has asked for it yet, and some may take part.
    if (known === undefined || known.doubtful) void this.#loadAndTell(cid, state);
    else this.#tellAll(known, state);
  }

  async #loadAndTell(cid: string, state: { again: boolean }): Promise<void> {
    const { hub, directory, log } = this.#options;
    try {
      if (hub.hasUsers) this.#tellAll(await directory.load(cid), state);
      else this.#resting.delete(cid);
    } catch (error) {
      this.#resting.delete(cid);
      log.warn({ err: error, cid }, 'conversation notice not sent');
    }
  }

  #tellAll(known: Known, state: { again: boolean }): void {
    const { cid, members } = known;
    for (const uid of members.keys()) this.#tell(known, uid, 'changed');
    this.#options.clock.after(this.#options.everyMs + members.size * REST_MS_PER_MEMBER, () => {
      this.#resting.delete(cid);
      if (state.again) this.#changed(cid);
    });
  }

  async #membership({ cid }: CommittedEntry, detail: Exclude<ChangeDetail, { op: 'lost' }>): Promise<void> {
    const { directory, log, hub } = this.#options;
    if (!hub.hasUsers) return;
    try {
      const known = await directory.load(cid);
      if (detail.op === 'settings') for (const uid of known.members.keys()) this.#tell(known, uid, 'changed');
      // What holds now: of two changes the older one may be heard of last.
      else for (const uid of detail.users) this.#tell(known, uid, known.members.has(uid) ? 'added' : 'removed');
    } catch (error) {
      log.warn({ err: error, cid }, 'conversation notice not sent');
    }
  }

  #tell(known: Known, uid: string, op: 'added' | 'removed' | 'changed'): void {
    const sessions = this.#options.hub.sessionsOf(uid);
    if (sessions === undefined) return;
    const { cid, head } = known;
    let frame: Frame | undefined;
    for (const session of sessions) {
      const unread = op === 'removed' ? 0 : Math.max(0, head - (known.members.get(uid)?.lastRead ?? 0));
      frame ??= Frame.of({ t: 'conversation', cid, op, head: op === 'removed' ? 0 : head, unread });
      // One key for each kind: a count must not overwrite an `added` that was not written yet.
      this.#options.hub.flusher.merge(session, `conversation ${op === 'changed' ? 'changed' : 'membership'} ${cid}`, frame, {
        droppable: false,
      });
    }
  }
}
