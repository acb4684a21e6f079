import { openMemoryStore } from '@gapless/adapters/store/memory';
import { FakeClock } from '@gapless/testkit';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { OwnReads } from './own-reads.ts';
import type { Command, Store } from './ports/store.ts';
import { Writer } from './writer.ts';

// Goal: unread is what the definition says, on every node, whatever happened: head less what the user read, and sending reads. Method: two
// nodes over one store do things at random, positions are written or not yet, nodes end in order or crash; a few lines of model beside.

const USERS = ['ann', 'bob', 'cid'] as const;
const CIDS = ['c1', 'c2'] as const;
const MERGE_MS = 100;

type Step =
  | { readonly do: 'send'; readonly node: number; readonly cid: string; readonly uid: string; readonly ensureMembers: boolean }
  | { readonly do: 'again'; readonly node: number }
  | { readonly do: 'read'; readonly node: number; readonly cid: string; readonly uid: string; readonly pos: number }
  | { readonly do: 'remove' | 'add'; readonly node: number; readonly cid: string; readonly uid: string }
  | { readonly do: 'wait'; readonly ms: number }
  | { readonly do: 'end' | 'crash'; readonly node: number };

const place = { node: fc.nat(1), cid: fc.constantFrom(...CIDS), uid: fc.constantFrom(...USERS) };
const STEP: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('send' as const), ...place, ensureMembers: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('again' as const), node: fc.nat(1) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('read' as const), ...place, pos: fc.nat(12) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('remove' as const, 'add' as const), ...place }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.constantFrom(1, MERGE_MS, 30_000) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('end' as const, 'crash' as const), node: fc.nat(1) }) },
);

class Model {
  readonly heads = new Map<string, number>(CIDS.map((cid) => [cid, 0]));
  /** Of who takes part. */
  readonly read = new Map<string, Map<string, number>>(CIDS.map((cid) => [cid, new Map(USERS.map((uid) => [uid, 0]))]));
  readonly #ownNewest = new Map<string, number>();
  readonly #lastFrom = new Map<string, string>();

  send(cid: string, uid: string): void {
    const seq = this.heads.get(cid)! + 1;
    this.heads.set(cid, seq);
    this.read.get(cid)!.set(uid, seq);
    this.#ownNewest.set(`${cid} ${uid}`, seq);
    this.#lastFrom.set(cid, uid);
  }

  /** As one's own list shows it: the newest message is not unread where it is one's own, though one left and came back. */
  listed(cid: string, uid: string): number {
    return this.#lastFrom.get(cid) === uid ? this.heads.get(cid)! : this.read.get(cid)!.get(uid)!;
  }

  /** What its outcome says. */
  move(cid: string, uid: string, to: number): { pos: number; advanced: boolean } {
    const users = this.read.get(cid)!;
    const before = users.get(uid)!;
    const pos = Math.max(before, Math.min(to, this.heads.get(cid)!));
    users.set(uid, pos);
    return { pos, advanced: pos > before };
  }

  /** The log does not say that somebody left and came back. */
  heal(): void {
    for (const [cid, users] of this.read)
      for (const [uid, pos] of users) users.set(uid, Math.max(pos, this.#ownNewest.get(`${cid} ${uid}`) ?? 0));
  }
}

class Node {
  readonly ownReads: OwnReads;
  readonly writer: Writer;

  constructor(under: Store, clock: FakeClock, others: () => Iterable<Node>) {
    this.ownReads = new OwnReads({
      store: under,
      clock,
      append: (command) => this.writer.append(command),
      onError: (error) => expect(error).toBeUndefined(),
      // Small, so that the bounds are met.
      limits: { mergeMs: MERGE_MS, partMin: 1, parts: 2, waitingMax: 3, shownMax: 1_000 },
    });
    this.writer = new Writer({
      store: this.ownReads.store,
      clock,
      onCommitted(committed) {
        for (const other of others()) other.ownReads.heard(committed);
      },
    });
  }
}

async function run(steps: readonly Step[]): Promise<void> {
  const model = new Model();
  const under = openMemoryStore();
  const nodes: { node: Node; clock: FakeClock }[] = [];
  const start = (at: number) => {
    const clock = new FakeClock();
    nodes[at] = { node: new Node(under, clock, () => [nodes[1 - at]!.node]), clock };
  };
  for (const at of [0, 1]) start(at);
  await under.commit(CIDS.map(create));
  let last: Command | undefined;
  for (const step of steps) {
    const append = async (command: Command) => {
      const outcome = await nodes['node' in step ? step.node : 0]!.node.writer.append(command);
      expect(outcome).toMatchObject({ ok: true });
      return outcome;
    };
    const takesPart = 'uid' in step && model.read.get(step.cid)!.has(step.uid);
    switch (step.do) {
      case 'send':
        if (!takesPart) break;
        last = send(step);
        model.send(step.cid, step.uid);
        await append(last);
        break;
      case 'again':
        // Who left meanwhile may not, and who came back is shown their old message.
        if (last?.op !== 'send' || !model.read.get(last.cid)!.has(last.from)) break;
        model.move(last.cid, last.from, ((await append(last)) as { seq: number }).seq);
        break;
      case 'read':
        if (!takesPart) break;
        expect(await append({ op: 'read', cid: step.cid, uid: step.uid, pos: step.pos })).toMatchObject(
          model.move(step.cid, step.uid, step.pos),
        );
        break;
      case 'remove':
        if (!takesPart) break;
        model.read.get(step.cid)!.delete(step.uid);
        await append({ op: 'remove', cid: step.cid, by: 'ann', at: 1, uid: step.uid });
        break;
      case 'add':
        if (takesPart) break;
        model.read.get(step.cid)!.set(step.uid, 0);
        await append({ op: 'add', cid: step.cid, by: 'ann', at: 1, users: [step.uid], role: 'member', createUsers: false });
        break;
      case 'wait':
        for (const { clock } of nodes) await clock.advance(step.ms);
        break;
      case 'end':
      case 'crash':
        if (step.do === 'end') await nodes[step.node]!.node.ownReads.close();
        start(step.node);
        // Always: the other node may have sent what this one did not hear.
        await nodes[step.node]!.node.ownReads.heal();
        model.heal();
        break;
    }
    for (const { node } of nodes) await compare(node.ownReads.store, model);
  }
  for (const { node } of nodes) await node.ownReads.close();
  await compare(under, model, (cid, uid) => model.read.get(cid)!.get(uid)!);
}

async function compare(store: Store, model: Model, listed = model.listed.bind(model)): Promise<void> {
  for (const [cid, users] of model.read) {
    const expected = [...users].toSorted();
    const pairs = (rows: readonly { uid: string; lastRead: number }[]) => rows.map(({ uid, lastRead }) => [uid, lastRead]).toSorted();
    expect(pairs(await store.participants(cid))).toEqual(expected);
    expect(pairs(await store.positions(cid))).toEqual(expected.filter(([, pos]) => pos > 0));
    for (const [uid, lastRead] of users) {
      const head = model.heads.get(cid);
      expect((await store.heads(uid, [cid]))[0]).toMatchObject({ cid, head, lastRead });
      const shown = { cid, head, lastRead: listed(cid, uid) };
      expect(await store.conversationView(uid, cid)).toMatchObject(shown);
      expect((await store.conversationsOf(uid, { limit: 9 })).find((view) => view.cid === cid)).toMatchObject(shown);
    }
  }
}

function create(cid: string): Command {
  const participants = USERS.map((uid) => ({ uid, role: 'member' as const }));
  return { op: 'create', cid, kind: 'group', by: 'ann', at: 1, participants, createUsers: true };
}

let mids = 0;
function send({ cid, uid, ensureMembers }: Step & { do: 'send' }): Command {
  const mid = `m${++mids}`;
  const old = ensureMembers ? { ensureMembers } : {};
  return { op: 'send', cid, mid, from: uid, at: 1, kind: 'text', body: '{}', digest: mid, ...(old as { ensureMembers?: true }) };
}

test('unread is exact on every node, after any steps', { timeout: 60_000 }, async () => {
  await fc.assert(fc.asyncProperty(fc.array(STEP, { maxLength: 40 }), run), { numRuns: 300 });
});
