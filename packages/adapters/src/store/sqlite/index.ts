import { ChatError, type Command, type Outcome, type Store } from '@gapless/core';
import { entryOf, messageOf } from '../entries.ts';
import type { Committed } from './commit/batch.ts';
import { holdOpen, isRolledBack } from './database.ts';
import { lockDatabase } from './lock.ts';
import { WorkerClient } from './worker-client.ts';

export type { Installation } from '../installation.ts';
export { openSqliteExport } from './export.ts';
export { type MigrationStatus, sqliteMigrationStatus } from './migrate.ts';

export interface SqliteOptions {
  /** The database file; made, mode 0600, when it is not there. */
  path: string;
  /** Called once when nothing can ever be written again by this process: a failed fsync, corruption, a crashed thread. */
  onFatal: (error: unknown) => void;
  /** Called for each transaction that has sends with `ensureMembers`: how long their members took. */
  onEnsureMembers?: (ms: number) => void;
}

/**
 * The embedded store: one SQLite file, WAL, every commit fsynced. A thread writes, another reads.
 *
 * - A full disk rejects the batch, which was rolled back; the next one tries anew.
 * - Any other failure of a write is final. After a failed fsync nobody knows what the file holds (the kernel may have dropped the pages
 *   and called them clean), so nothing is written or fsynced again: the process must end, and recovery reads what is durable.
 *
 * @throws Error when another process serves the file, or its migrations are not this code's
 */
export async function openSqliteStore({ path, onFatal, onEnsureMembers = () => {} }: SqliteOptions): Promise<Store> {
  const unlock = lockDatabase(path);
  let fatal: unknown;
  let closing = false;
  const fail = (error: unknown) => {
    if (fatal !== undefined || closing) return;
    fatal = error;
    onFatal(error);
  };
  let opened = false;
  const writer = new WorkerClient({ path, role: 'writer' }, (error) => opened && fail(error));
  try {
    // The writer migrates before it answers. A full disk is no reason not to start: reads work.
    await writer.call('ready');
  } catch (error) {
    await writer.call('close').catch(() => {});
    unlock();
    throw error;
  }
  opened = true;
  const held = holdOpen(path);
  const reader = new WorkerClient({ path, role: 'reader' }, fail);

  async function write<T>(method: string, ...args: readonly unknown[]): Promise<T> {
    if (fatal !== undefined) throw unavailable(fatal);
    try {
      return await writer.call<T>(method, ...args);
    } catch (error) {
      if (!isRolledBack(error)) fail(error);
      throw unavailable(error);
    }
  }

  const read = <T>(method: string, ...args: readonly unknown[]): Promise<T> =>
    reader.call<T>(method, ...args).catch((error: unknown) => {
      throw unavailable(error);
    });

  return {
    capabilities: { durable: true, multiProcess: false, lanes: 1 },
    parts: 1,
    async commit(batch) {
      const { outcomes, ensureMs } = await write<Committed>('commit', batch);
      if (ensureMs !== undefined) onEnsureMembers(ensureMs);
      return outcomes.map((outcome, i) => withEntry(batch[i]!, outcome));
    },
    healOwnReads: (...args) => write('healOwnReads', ...args),
    check: () => write('check', Date.now()),
    async close() {
      if (closing) return;
      closing = true;
      // The writer last: who closes last brings the log into the file, and a reader may not. After a failure nobody may.
      await reader.call('close').catch(() => {});
      // Asked behind the writes that are on their way: `closing` keeps their failures from `fail`.
      const isSound = await writer.call('ready').then(
        () => fatal === undefined,
        () => false,
      );
      if (isSound) held.close();
      await writer.call('close').catch(() => {});
      unlock();
    },

    revs: (...args) => read('revs', ...args),
    heads: (...args) => read('heads', ...args),
    conversation: (...args) => read('conversation', ...args),
    participants: (...args) => read('participants', ...args),
    conversationsOf: (...args) => read('conversationsOf', ...args),
    conversationView: (...args) => read('conversationView', ...args),
    messages: (...args) => read('messages', ...args),
    changes: (...args) => read('changes', ...args),
    replay: (...args) => read('replay', ...args),
    positions: (...args) => read('positions', ...args),
    acquainted: (...args) => read('acquainted', ...args),
    users: (...args) => read('users', ...args),
    credentials: (...args) => read('credentials', ...args),
    revokedSessions: (...args) => read('revokedSessions', ...args),
    sessionsOf: (...args) => read('sessionsOf', ...args),
    feed: (...args) => read('feed', ...args),
    backlog: (...args) => read('backlog', ...args),
    cursor: (...args) => read('cursor', ...args),
    acceptState: (...args) => read('acceptState', ...args),
    acceptNodes: (...args) => read('acceptNodes', ...args),
    rescued: (...args) => read('rescued', ...args),
    openConversations: (...args) => read('openConversations', ...args),
    firstOutcomes: (...args) => read('firstOutcomes', ...args),
    midsAfter: (...args) => read('midsAfter', ...args),

    ensureUser: (...args) => write('ensureUser', ...args),
    createAccount: (...args) => write('createAccount', ...args),
    createSession: (...args) => write('createSession', ...args),
    rotateSession: (...args) => write('rotateSession', ...args),
    revokeSession: (...args) => write('revokeSession', ...args),
    revokeSessionsOf: (...args) => write('revokeSessionsOf', ...args),
    pruneSessions: (...args) => write('pruneSessions', ...args),
    saveCursor: (...args) => write('saveCursor', ...args),
    acquireLease: (...args) => write('acquireLease', ...args),
    releaseLease: (...args) => write('releaseLease', ...args),
    moveAcceptState: (...args) => write('moveAcceptState', ...args),
    seenAccepting: (...args) => write('seenAccepting', ...args),
    forgetAcceptNode: (...args) => write('forgetAcceptNode', ...args),
    rescue: (...args) => write('rescue', ...args),
    clearRescued: (...args) => write('clearRescued', ...args),
  };
}

function unavailable(cause: unknown): ChatError {
  return new ChatError('store_unavailable', { cause });
}

/** A saved message's log entry, made of the command: its body did not travel back. */
function withEntry(command: Command, outcome: Outcome): Outcome {
  if (!outcome.ok) return outcome;
  if (command.op === 'send' && outcome.op === 'send' && !outcome.dup)
    return { ...outcome, entry: entryOf(messageOf(command, outcome.seq, outcome.rev)) };
  if (command.op === 'save' && outcome.op === 'save' && !outcome.dup)
    return { ...outcome, entry: entryOf(messageOf(command.send, command.seq, command.rev)) };
  return outcome;
}
