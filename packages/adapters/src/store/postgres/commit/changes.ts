import type { ChangeDetail, Command, CreateCommand, LogEntry, Outcome } from '@gapless/core';
import type { Query } from '../query.ts';
import { read, stored } from '../text.ts';

export type ChangeCommand = CreateCommand | (Command & { op: 'add' | 'remove' | 'settings' });

/** What commit_changes of 0002_commit.sql says of one command. Its texts are as `stored` made them. */
interface Change {
  code?: 'not_participant' | 'unknown_user' | 'stale';
  /** It is `stale` to older nodes only. */
  accepting?: true;
  user?: string;
  rev?: number;
  users?: string[];
  cid?: string;
  created?: boolean;
}

/** Creations and changes of conversations, one after the other, in one transaction. */
export async function commitChanges(query: Query, commands: readonly ChangeCommand[]): Promise<Outcome[]> {
  const [row] = await query<{ outcomes: string }>('SELECT commit_changes($1::text::jsonb)::text AS outcomes', [
    JSON.stringify(commands.map(toJson)),
  ]);
  const changes = JSON.parse(row!.outcomes) as Change[];
  return commands.map((command, i) => toOutcome(command, changes[i]!));
}

function toJson(command: ChangeCommand): object {
  const by = { op: command.op, cid: stored(command.cid), by: stored(command.by), at: command.at };
  const rights = 'membersRev' in command ? { membersRev: command.membersRev, callerRole: command.callerRole } : {};
  switch (command.op) {
    case 'create': {
      const users = command.participants.map(({ uid }) => stored(uid));
      const { kind, createUsers } = command;
      const title = command.title === undefined ? {} : { title: stored(command.title) };
      const [low, high] = users.toSorted();
      const roles = command.participants.map(({ role }) => role);
      return { ...by, kind, ...title, users, roles, low, high, createUsers, payload: JSON.stringify({ kind, users, ...title }) };
    }
    case 'add':
      return { ...by, ...rights, users: command.users.map(stored), role: command.role, createUsers: command.createUsers };
    case 'remove':
      return { ...by, ...rights, uid: stored(command.uid), payload: JSON.stringify({ users: [stored(command.uid)] }) };
    case 'settings':
      return { ...by, ...rights, title: stored(command.title), payload: JSON.stringify({ title: stored(command.title) }) };
  }
}

function toOutcome(command: ChangeCommand, { code, accepting, user, rev, users, cid, created }: Change): Outcome {
  if (accepting) return { ok: false, code: 'accepting' };
  if (code === 'unknown_user') return { ok: false, code, say: `There is no user ${read(user ?? '')}.` };
  if (code !== undefined) return { ok: false, code };
  const entry = rev === undefined ? {} : { entry: entryOf(command, rev, (users ?? []).map(read)) };
  if (command.op === 'create') return { ok: true, op: 'create', cid: read(cid!), created: created === true, ...entry };
  return { ok: true, op: command.op, ...entry };
}

function entryOf(command: ChangeCommand, rev: number, added: readonly string[]): LogEntry {
  const { cid, by, at } = command;
  return { op: 'change', cid, rev, by, at, detail: detailOf(command, added) };
}

function detailOf(command: ChangeCommand, added: readonly string[]): ChangeDetail {
  switch (command.op) {
    case 'create': {
      const { kind, title, participants } = command;
      return { op: 'created', kind, users: participants.map(({ uid }) => uid), ...(title === undefined ? {} : { title }) };
    }
    case 'add':
      return { op: 'participants_added', users: added, role: command.role };
    case 'remove':
      return { op: 'participants_removed', users: [command.uid] };
    case 'settings':
      return { op: 'settings', title: command.title };
  }
}
