import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { ChangeDetail, Command, LogEntry, Outcome } from '@gapless/core';
import { close, open, save, settle } from './accept.ts';
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
  /** The epoch in which it is open in the accept log; 0: it is not. */
  acceptEpoch: number;
  /** The newest opening, and the epoch that it belongs to; both stay when it is closed. */
  acceptOpening: number;
  acceptOpened: number;
  reserved: number;
  dirty: boolean;
}

export interface Committed {
  readonly outcomes: Outcome[];
  /** How long the members of its sends with `ensureMembers` took; undefined: it had none. */
  readonly ensureMs: number | undefined;
}

/** What takes a seq or a rev from the store. */
const NUMBERED: readonly Command['op'][] = ['send', 'add', 'remove', 'settings'];

/** Conversations whose counters are kept between batches. This connection is the only writer, so they cannot be stale. */
const CONVERSATIONS_KEPT_MAX = 50_000;

/** One transaction in the making: commands are applied one after the other, what they share is written at the end. */
export class Batch {
  readonly #db: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();
  readonly #conversations = new Map<string, ConversationState>();
  #dirty: ConversationState[] = [];
  /** Own read positions of senders that are ensured, by conversation and user. */
  #reads = new Map<string, { conv: number; uid: string; seq: number }>();
  #ensureMs: number | undefined;

  constructor(db: DatabaseSync) {
    this.#db = db;
  }

  /** Applies all commands and commits. Throws when the transaction did not become durable; then nothing of it is remembered here. */
  commit(commands: readonly Command[]): Committed {
    this.#ensureMs = undefined;
    this.#db.exec('BEGIN IMMEDIATE');
    try {
      const outcomes = commands.map((command) => this.#apply(command));
      this.#writeBack();
      this.#db.exec('COMMIT');
      return { outcomes, ensureMs: this.#ensureMs };
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
      `SELECT id, cid, head, rev, members_rev AS membersRev, updated_at AS updatedAt, members, accept_epoch AS acceptEpoch,
         accept_opening AS acceptOpening, accept_opened AS acceptOpened, reserved
       FROM conversation WHERE cid = ?`,
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

  /** For a send with `ensureMembers`. */
  isMember(state: ConversationState, uid: string): boolean {
    return this.#ensuring(() => this.sql('SELECT 1 FROM participant WHERE conv = ? AND uid = ?').get(state.id, uid) !== undefined);
  }

  /** The sender's own read position follows. */
  sent(conv: number, uid: string, seq: number): void {
    this.#reads.set(`${conv} ${uid}`, { conv, uid, seq });
  }

  /** Writes what `sent` collected, for commands that look at positions or bring participants. */
  writeReads(): void {
    if (this.#reads.size === 0) return;
    this.#ensuring(() => {
      const update = this.sql('UPDATE participant SET last_read = max(last_read, ?) WHERE conv = ? AND uid = ?');
      for (const { conv, uid, seq } of this.#reads.values()) update.run(seq, conv, uid);
      this.#reads.clear();
    });
  }

  #ensuring<T>(task: () => T): T {
    const started = performance.now();
    const result = task();
    this.#ensureMs = (this.#ensureMs ?? 0) + performance.now() - started;
    return result;
  }

  #apply(command: Command): Outcome {
    if (NUMBERED.includes(command.op) && (this.conversation(command.cid)?.acceptEpoch ?? 0) !== 0) return { ok: false, code: 'accepting' };
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
      case 'open':
        return open(this, command);
      case 'save':
        return save(this, command);
      case 'close':
        return close(this, command);
      case 'settle':
        return settle(this, command);
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
    const update = this.sql(
      `UPDATE conversation SET head = ?, rev = ?, members_rev = ?, updated_at = ?, members = ?,
         accept_epoch = ?, accept_opening = ?, accept_opened = ?, reserved = ? WHERE id = ?`,
    );
    for (const state of this.#dirty) {
      const { head, rev, membersRev, updatedAt, members, acceptEpoch, acceptOpening, acceptOpened, reserved } = state;
      update.run(head, rev, membersRev, updatedAt, members, acceptEpoch, acceptOpening, acceptOpened, reserved, state.id);
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
