import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { ChangeDetail, Command, LogEntry, Outcome } from '@gapless/core';
import { create } from './create.ts';
import { add, remove, settings } from './participants.ts';
import { delivered, read } from './positions.ts';
import { send } from './send.ts';

/** A conversation's counters as the batch sees them; written back once at its end. */
export interface ConversationState {
  readonly id: number;
  readonly cid: string;
  head: number;
  rev: number;
  membersRev: number;
  updatedAt: number;
  members: number;
  dirty: boolean;
}

/** Conversations whose counters are kept between batches. This connection is the only writer, so they cannot be stale. */
const CONVERSATIONS_KEPT_MAX = 50_000;

/** One transaction in the making: commands are applied one after the other, what they share is written at the end. */
export class Batch {
  readonly #db: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();
  readonly #conversations = new Map<string, ConversationState>();
  #dirty: ConversationState[] = [];
  /** Senders' own read positions, by conversation and user. */
  #reads = new Map<string, { conv: number; uid: string; seq: number }>();

  constructor(db: DatabaseSync) {
    this.#db = db;
  }

  /** Applies all commands and commits. Throws when the transaction did not become durable; then nothing of it is remembered here. */
  commit(commands: readonly Command[]): Outcome[] {
    this.#db.exec('BEGIN IMMEDIATE');
    try {
      const outcomes = commands.map((command) => this.#apply(command));
      this.#writeBack();
      this.#db.exec('COMMIT');
      return outcomes;
    } catch (error) {
      this.#forget();
      throw error;
    }
  }

  sql(text: string): StatementSync {
    let statement = this.#statements.get(text);
    if (statement === undefined) this.#statements.set(text, (statement = this.#db.prepare(text)));
    return statement;
  }

  conversation(cid: string): ConversationState | undefined {
    const kept = this.#conversations.get(cid);
    if (kept !== undefined) return kept;
    const row = this.sql(
      'SELECT id, cid, head, rev, members_rev AS membersRev, updated_at AS updatedAt, members FROM conversation WHERE cid = ?',
    ).get(cid) as Omit<ConversationState, 'dirty'> | undefined;
    return row === undefined ? undefined : this.keep({ ...row, dirty: false });
  }

  keep(state: ConversationState): ConversationState {
    this.#conversations.set(state.cid, state);
    return state;
  }

  touch(state: ConversationState): void {
    if (state.dirty) return;
    state.dirty = true;
    this.#dirty.push(state);
  }

  /** Takes the next rev for a change and writes its log row. */
  log(state: ConversationState, { by, at, detail }: { by: string; at: number; detail: ChangeDetail }): LogEntry {
    const { op, ...payload } = detail;
    const rev = op === 'created' ? 0 : ++state.rev;
    if (op === 'participants_added' || op === 'participants_removed') state.membersRev = rev;
    this.touch(state);
    this.sql('INSERT INTO log (conv, rev, op, actor, at, payload) VALUES (?, ?, ?, ?, ?, ?)').run(
      state.id,
      rev,
      op,
      by,
      at,
      JSON.stringify(payload),
    );
    return { op: 'change', cid: state.cid, rev, by, at, detail };
  }

  /** A send moves its sender's own read position. */
  sent(conv: number, uid: string, seq: number): void {
    this.#reads.set(`${conv} ${uid}`, { conv, uid, seq });
  }

  /** Writes what `sent` collected, for commands that look at positions or bring participants. */
  writeReads(): void {
    const update = this.sql('UPDATE participant SET last_read = max(last_read, ?) WHERE conv = ? AND uid = ?');
    for (const { conv, uid, seq } of this.#reads.values()) update.run(seq, conv, uid);
    this.#reads.clear();
  }

  #apply(command: Command): Outcome {
    if (this.#isStale(command)) return { ok: false, code: 'stale' };
    switch (command.op) {
      case 'send':
        return send(this, command);
      case 'create':
        return create(this, command);
      case 'add':
        return add(this, command);
      case 'remove':
        return remove(this, command);
      case 'settings':
        return settings(this, command);
      case 'read':
        return read(this, command);
      case 'delivered':
        return delivered(this, command);
    }
  }

  /** Whether the caller's rights were looked up before a change of the participants, and that was one of them. */
  #isStale(command: Command): boolean {
    if (!('membersRev' in command) || command.membersRev === undefined) return false;
    const state = this.conversation(command.cid);
    if (state === undefined || state.membersRev === command.membersRev) return false;
    const caller = command.op === 'send' ? command.from : command.by;
    const row = this.sql('SELECT role FROM participant WHERE conv = ? AND uid = ?').get(state.id, caller) as { role: string } | undefined;
    return row === undefined || (command.callerRole ?? row.role) !== row.role;
  }

  #writeBack(): void {
    const update = this.sql('UPDATE conversation SET head = ?, rev = ?, members_rev = ?, updated_at = ?, members = ? WHERE id = ?');
    for (const state of this.#dirty) {
      update.run(state.head, state.rev, state.membersRev, state.updatedAt, state.members, state.id);
      state.dirty = false;
    }
    this.#dirty = [];
    this.writeReads();
    if (this.#conversations.size > CONVERSATIONS_KEPT_MAX) this.#conversations.clear();
  }

  #forget(): void {
    this.#conversations.clear();
    this.#dirty = [];
    this.#reads.clear();
  }
}
