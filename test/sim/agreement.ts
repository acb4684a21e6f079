import { type ConversationView, LOST, type LogEntry, type MessageRecord } from '@gapless/core';
import type { Conversation, Message } from '@gapless/sdk';
import type { Device } from './device.ts';
import type { Simulation } from './simulation.ts';

const ALL = 1_000_000;

type Say = (what: string, isNotice?: boolean) => void;

/** What the store has of one conversation: what everybody has to see. */
interface Truth {
  readonly messages: readonly MessageRecord[];
  readonly title: string | undefined;
  readonly members: ReadonlyMap<string, { role: string; lastRead: number }>;
  /** Who was removed, and may have come back. */
  readonly removed: ReadonlySet<string>;
}

export interface Disagreement {
  readonly device: Device;
  readonly what: string;
  /**
   * A notice may be lost with a commit of which nobody knew, or with the node that made it: counts in the list, what one's own other
   * devices have read, and that one was let in or put out, are right again at the next connection. Messages, participants and titles of
   * what is open are not among these.
   */
  readonly isNotice: boolean;
}

/** In which way devices and store do not agree yet; nothing, when all is told and all is saved. */
export async function disagreements(sim: Simulation): Promise<Disagreement[]> {
  const found: Disagreement[] = [];
  const truths = new Map<string, Truth>();
  for (const cid of sim.cids) truths.set(cid, await truthOf(sim, cid));
  for (const device of sim.devices) {
    const say: Say = (what, isNotice = false) => void found.push({ device, what: `${device.name}: ${what}`, isNotice });
    if (!device.running || device.client!.state !== 'online') {
      say('is not online');
      continue;
    }
    if (device.unsent.length > 0) say(`still sends ${device.unsent.join(', ')}`);
    for (const cid of device.opened) compareConversation(device, cid, truths.get(cid)!, say);
    await compareList(sim, { device, truths, say });
  }
  return found;
}

async function truthOf({ store: { memory } }: Simulation, cid: string): Promise<Truth> {
  const messages = await memory.messages(cid, { after: 0, limit: ALL });
  const participants = await memory.participants(cid);
  const record = await memory.conversation(cid);
  return {
    messages,
    title: record?.title,
    removed: removedFrom(await memory.changes(cid, { after: 0, limit: ALL })),
    members: new Map(participants.map(({ uid, role, lastRead }) => [uid, { role, lastRead }])),
  };
}

function compareConversation(device: Device, cid: string, truth: Truth, say: Say): void {
  const shown = device.client!.conversation(cid).getSnapshot();
  const own = truth.members.get(device.uid);
  if (own === undefined) {
    if (shown.error !== 'not_participant') say(`${cid}: shows a conversation that its user is not in`, true);
    return;
  }
  if (shown.error !== undefined) return say(`${cid}: shows ${shown.error}, and its user is in it`, true);
  if (!shown.loaded) return say(`${cid}: is not loaded`);
  compareMessages(
    shown.messages.filter(({ seq }) => seq !== undefined),
    truth.messages,
    (what) => say(`${cid}: ${what}`),
  );
  const { head, lastRead, unread, title, participants } = shown;
  if (head !== truth.messages.length) say(`${cid}: head is ${head}, not ${truth.messages.length}`);
  if (lastRead !== own.lastRead) say(`${cid}: read up to ${lastRead}, not ${own.lastRead}`, true);
  if (unread !== truth.messages.length - own.lastRead) say(`${cid}: ${unread} unread`, true);
  if (title !== truth.title) say(`${cid}: title is ${title}, not ${truth.title}`);
  const names = (members: Iterable<readonly [string, string]>) =>
    [...members]
      .map((member) => member.join(' '))
      .sort()
      .join(', ');
  const isShown = names(participants.map(({ userId, role }) => [userId, role] as const));
  const isTrue = names([...truth.members].map(([uid, { role }]) => [uid, role] as const));
  if (isShown !== isTrue) say(`${cid}: participants are ${isShown}; not ${isTrue}`);
  compareReceipts(shown, truth, (what) => say(`${cid}: ${what}`));
}

/** A receipt may have got lost; what it says is never more than what is so. */
function compareReceipts(shown: ReturnType<Conversation['getSnapshot']>, { members, messages }: Truth, say: Say): void {
  for (const [uid, { read, delivered }] of shown.receipts) {
    const member = members.get(uid);
    if (member === undefined) continue;
    if (delivered > messages.length) say(`${uid} received ${delivered}, of ${messages.length}`);
    if (read > member.lastRead) say(`${uid} read up to ${read}, not ${member.lastRead}`);
  }
}

/** The run that is loaded, up to the newest: one at least, where there is any. */
function compareMessages(shown: readonly Message[], all: readonly MessageRecord[], say: Say): void {
  if (shown.length === 0 && all.length > 0) return say(`shows none of ${all.length} messages`);
  const first = shown[0]?.seq ?? all.length + 1;
  const expected = all.slice(first - 1);
  if (shown.length !== expected.length) return say(`shows ${shown.length} messages from ${first} on, not ${expected.length}`);
  const wrong = expected.find((message, i) => !isSame(shown[i]!, message));
  if (wrong !== undefined) say(`${wrong.seq} is not ${wrong.mid} of ${wrong.from}`);
}

/** What was lost is told by its number alone to who saw it before. */
function isSame(shown: Message, message: MessageRecord): boolean {
  if (shown.seq !== message.seq || shown.kind !== message.kind) return false;
  if (message.kind === LOST.kind) return true;
  return shown.mid === message.mid && shown.from === message.from && shown.body.text === textOf(message);
}

const texts = new WeakMap<MessageRecord, string>();

/** Asked for again and again. */
function textOf(message: MessageRecord): string {
  let text = texts.get(message);
  if (text === undefined) texts.set(message, (text = (JSON.parse(message.body) as { text: string }).text));
  return text;
}

async function compareList(
  { store: { memory } }: Simulation,
  { device, truths, say }: { device: Device; truths: ReadonlyMap<string, Truth>; say: Say },
): Promise<void> {
  const { items, loaded } = device.client!.conversations.getSnapshot();
  const views = await memory.conversationsOf(device.uid, { limit: ALL });
  if (!loaded) return say('its list is not loaded');
  const shown = new Map(items.map((item) => [item.cid, item]));
  for (const view of views) {
    const item = shown.get(view.cid);
    shown.delete(view.cid);
    if (item === undefined) say(`list: ${view.cid} is missing`, true);
    else {
      const read = hasReturned(truths.get(view.cid), device.uid) ? { lastRead: 0, unread: 0 } : {};
      const isShown = rowOf({ ...item, last: item.lastMessage?.mid, ...read });
      const isTrue = rowOf({ ...view, unread: unreadOf(view), last: view.lastMessage?.mid, ...read });
      if (isShown !== isTrue) say(`list: ${view.cid} is ${isShown}, not ${isTrue}`, true);
    }
  }
  for (const cid of shown.keys()) say(`list: ${cid} is none of its user's`, true);
}

/** To the store they begin to read anew; a device that was not told of it keeps what it knew until it opens the conversation. */
function hasReturned(truth: Truth | undefined, uid: string): boolean {
  return truth?.removed.has(uid) ?? false;
}

/** Who was removed at any time, whether they came back or not. */
export function removedFrom(log: readonly LogEntry[]): Set<string> {
  return new Set(log.flatMap((entry) => (entry.op === 'change' && entry.detail.op === 'participants_removed' ? entry.detail.users : [])));
}

function rowOf({
  head,
  lastRead,
  unread,
  title,
  last,
}: Record<'head' | 'lastRead' | 'unread', number> & { title?: string | undefined; last?: string | undefined }): string {
  return `${head} read ${lastRead} unread ${unread} last ${last} “${title}”`;
}

/** Counted, not subtracted. */
function unreadOf({ head, lastRead }: ConversationView): number {
  let unread = 0;
  for (let seq = lastRead + 1; seq <= head; seq++) unread++;
  return unread;
}
