import { CLOSE, ERRORS, msgpackCodec } from '@gapless/protocol';
import type { WireClient } from '@gapless/testkit';
import { decode, encode } from '@msgpack/msgpack';
import fc from 'fast-check';
import { beforeAll, expect, test } from 'vitest';
import { range, useServer } from '../conformance/world.ts';
import { broken, hardPacks, hardTexts, type Scene, sends, tattered, values } from './fuzz-frames.ts';

// Goal: no input ends, hangs or confuses the server. Method: random frames over real connections, in batches; each frame is followed by a
// ping, so that what was taken is known. At the end the log of the conversation is compared with what was acked.
// The seed stands in the names of the tests: FUZZ_SEED=… runs the same again, FUZZ_RUNS=… runs more.

const seed = Number(process.env.FUZZ_SEED ?? Math.floor(Math.random() * 2 ** 31));
const FRAMES = Number(process.env.FUZZ_RUNS ?? 10_000);
const BATCH = 50;
const POSTS = Math.ceil(FRAMES / 5);
/** Pings of our own are told by their n. */
const OURS = 2 ** 51;

const world = useServer();
let scene: Scene;
let listener: WireClient;
/** Every value that may have been saved, by mid. */
const sent = new Map<string, Sent[]>();
const acked = new Map<string, number>();
let taken = 0;

type Sent = Record<string, unknown>;

beforeAll(async () => {
  const users = ['fuzzer', 'listener', 'third'];
  scene = { cid: await world.group(...users), users };
  listener = await world.connect('listener');
  await listener.join(scene.cid);
});

const CLOSES = new Set<number>(Object.values(CLOSE).map(({ code }) => code));
const FRAME_ERRORS = new Set(
  ['bad_frame', 'unknown_type', 'unauthorized', 'forbidden', 'not_participant', 'mid_conflict', 'too_large'].filter(
    (code) => code in ERRORS,
  ),
);

/** Whether a value is a send to the conversation that must be taken; written anew, not asked of the server's schemas. */
function note(value: unknown, cid = (value as { cid?: unknown } | null)?.cid): void {
  if (typeof value !== 'object' || value === null || cid !== scene.cid) return;
  const { mid, kind, body, replyTo, threadRoot, mentions } = value as Record<string, unknown>;
  if (typeof mid !== 'string' || !/^[\w-]{1,64}$/.test(mid)) return;
  if (typeof kind !== 'string' || kind.length < 1 || kind.length > 32 || !kind.isWellFormed()) return;
  if (typeof body !== 'object' || body === null || Array.isArray(body)) return;
  sent.set(mid, [...(sent.get(mid) ?? []), { mid, kind, body, replyTo, threadRoot, mentions }]);
}

/** Takes over what came in, and checks it. */
function collect(client: WireClient): void {
  for (const frame of client.frames.splice(0)) {
    if (frame.t === 'error' && !FRAME_ERRORS.has(frame.code)) throw new Error(`answered ${JSON.stringify(frame)}`);
    if (frame.t === 'ack' && frame.mid !== undefined) {
      if (!sent.has(frame.mid)) throw new Error(`acked what was not sent: ${JSON.stringify(frame)}`);
      const before = acked.get(frame.mid);
      if (before !== undefined && before !== frame.pos) throw new Error(`acked twice, as ${before} and as ${frame.pos}: ${frame.mid}`);
      acked.set(frame.mid, frame.pos);
    }
  }
}

/** Sends all packets, over as many connections as that takes. Each connection answers, or is closed with a code of the table. */
async function feed(packets: readonly Buffer[], open: () => Promise<WireClient>, asText: boolean): Promise<void> {
  for (let at = 0; at < packets.length; ) {
    const client = await open();
    collect(client);
    for (let i = at; i < packets.length; i++) {
      client.socket.send(packets[i]!, { binary: !asText });
      client.send({ t: 'ping', n: OURS + i });
    }
    const closed = client
      .wait('pong', (frame) => frame.n === OURS + packets.length - 1)
      .then(
        () => undefined,
        () => client.closed,
      );
    const close = await closed;
    const pongs = client.of('pong').filter((frame) => frame.n !== undefined && frame.n >= OURS + at && frame.n < OURS + packets.length);
    collect(client);
    if (close === undefined) {
      await client.close();
      // What is on its way still arrives with the close.
      collect(client);
      taken += packets.length - at;
      return;
    }
    if (!CLOSES.has(close.code)) throw new Error(`closed ${close.code} ${close.reason}`);
    // The packet behind the last answered ping is the one that ended it.
    const next = pongs.length === 0 ? at + 1 : pongs.at(-1)!.n! - OURS + 2;
    taken += next - at;
    at = next;
  }
}

const settings = (runs: number) => ({ seed, numRuns: runs, interruptAfterTimeLimit: 90_000 });

function tryDecode(codec: (bytes: Buffer) => unknown, bytes: Buffer): unknown {
  try {
    return codec(bytes);
  } catch {
    return undefined;
  }
}

test(`json: ${FRAMES / 2} frames (FUZZ_SEED=${seed})`, async () => {
  const texts = values(scene).map((value) => Buffer.from(JSON.stringify(value) ?? 'null'));
  // Text is UTF-8, or the library closes 1007 before anything is read: websocket.test.ts.
  const ragged = tattered(texts).map((bytes) => Buffer.from(bytes.toString()));
  const packet = fc.oneof({ weight: 75, arbitrary: texts }, { weight: 25, arbitrary: ragged }, { weight: 1, arbitrary: hardTexts });
  const packets = fc.array(packet, { minLength: BATCH, maxLength: BATCH });
  await fc.assert(
    fc.asyncProperty(packets, async (batch) => {
      for (const bytes of batch) note(tryDecode((text) => JSON.parse(text.toString()), bytes));
      await feed(batch, () => world.connect('fuzzer'), true);
    }),
    settings(FRAMES / 2 / BATCH),
  );
  expect(taken).toBeGreaterThanOrEqual(FRAMES / 2);
});

test(`msgpack: ${FRAMES / 2} frames (FUZZ_SEED=${seed})`, async () => {
  const extra = fc.constantFrom(new Uint8Array(3), new Date(0), Number.NaN, Number.POSITIVE_INFINITY, new Map([[1, 2]]));
  const packs = fc
    .tuple(values(scene), fc.option(fc.tuple(fc.constantFrom('t', 'cid', 'body', 'n', 'pos', 'x'), extra), { freq: 8 }))
    .map(([value, added]) => {
      if (added === null || typeof value !== 'object' || value === null) return Buffer.from(encode(value, { maxDepth: 1_000 }));
      return Buffer.from(encode({ ...value, [added[0]]: added[1] }, { maxDepth: 1_000 }));
    });
  const packet = fc.oneof(
    { weight: 75, arbitrary: packs },
    { weight: 25, arbitrary: tattered(packs) },
    { weight: 1, arbitrary: hardPacks },
  );
  const packets = fc.array(packet, { minLength: BATCH, maxLength: BATCH });
  const before = taken;
  await fc.assert(
    fc.asyncProperty(packets, async (batch) => {
      for (const bytes of batch) note(tryDecode((pack) => decode(pack), bytes));
      await feed(batch, () => world.connect('fuzzer', { subprotocol: msgpackCodec.subprotocol as 'gapless.v1.msgpack' }), false);
    }),
    settings(FRAMES / 2 / BATCH),
  );
  expect(taken - before).toBeGreaterThanOrEqual(FRAMES / 2);
});

test(`HTTP: ${POSTS} bodies over every POST route (FUZZ_SEED=${seed})`, async () => {
  const openapi = (await world.backend.call('GET', '/openapi.json')).body as { paths: Record<string, Record<string, unknown>> };
  const routes = Object.entries(openapi.paths).flatMap(([path, methods]) => ('post' in methods ? [path] : []));
  expect(routes).toContain('/v1/conversations/{cid}/messages');
  const own = await (await world.http('fuzzer')).create('group', []);
  const token = await world.server.token('fuzzer');
  const word = fc.oneof(fc.string({ maxLength: 70, unit: 'binary' }), fc.constantFrom('fuzzer', 'long enough a password'));
  const account = fc.record({ username: word, password: word, displayName: word, refreshToken: word });
  const conversation = fc.record({
    kind: fc.constantFrom('dm', 'group', 'channel'),
    participants: fc.array(fc.constantFrom(...scene.users, 'nobody'), { maxLength: 3 }),
    userIds: fc.array(fc.constantFrom(...scene.users, 'nobody'), { maxLength: 3 }),
    role: fc.constantFrom('admin', 'member', 'owner'),
    title: fc.string({ maxLength: 210, unit: 'binary' }),
    pos: fc.nat(),
  });
  const good = (path: string) => (path.startsWith('/v1/auth') ? account : path.endsWith('/messages') ? sends(scene) : conversation);
  const call = fc.constantFrom(...routes).chain((path) => {
    const fields = good(path) as fc.Arbitrary<Record<string, unknown>>;
    const json = fc.oneof(fields, broken(fields)).map((value) => Buffer.from(JSON.stringify(value) ?? 'null'));
    return fc.record({
      path: fc.constant(path),
      body: fc.oneof({ weight: 75, arbitrary: json }, { weight: 25, arbitrary: tattered(json) }, { weight: 1, arbitrary: hardTexts }),
      type: fc.oneof(
        { weight: 20, arbitrary: fc.constant('application/json') },
        { weight: 1, arbitrary: fc.constantFrom('text/plain', 'application/json; charset=utf-16', 'multipart/form-data', 'x', '') },
      ),
    });
  });
  const one = async ({ path, body, type }: { path: string; body: Buffer; type: string }) => {
    const toMain = path.endsWith('/messages') || path.endsWith('/read');
    if (path.endsWith('/messages'))
      note(
        tryDecode((bytes) => JSON.parse(bytes.toString()), body),
        scene.cid,
      );
    const response = await fetch(`${world.server.url}${path.replace('{cid}', toMain ? scene.cid : own)}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, ...(type === '' ? {} : { 'content-type': type }) },
      body: new Uint8Array(body),
    });
    const said = await response.text();
    const shown = `${response.status} ${said.slice(0, 300)} to ${path} ${JSON.stringify(body.toString().slice(0, 300))}`;
    if (response.status >= 500) throw new Error(shown);
    if (response.status >= 400) {
      const problem = JSON.parse(said);
      const row = ERRORS[problem.code as keyof typeof ERRORS];
      if (row?.http !== response.status || typeof problem.requestId !== 'string') throw new Error(shown);
    } else if (path.endsWith('/messages')) {
      const { mid, seq } = JSON.parse(said);
      if (!sent.has(mid) || (acked.get(mid) ?? seq) !== seq) throw new Error(shown);
      acked.set(mid, seq);
    }
  };
  const runs = Math.ceil(POSTS / 4);
  await fc.assert(
    // A few at a time: more would ask for more passwords to be hashed at once than is allowed.
    fc.asyncProperty(fc.array(call, { minLength: 4, maxLength: 4 }), async (calls) => void (await Promise.all(calls.map(one)))),
    settings(runs),
  );
});

test(`afterwards the log is dense and holds what was acked, and nothing else (FUZZ_SEED=${seed})`, async () => {
  const http = await world.http('fuzzer');
  const path = `/v1/conversations/${scene.cid}/messages`;
  const last = 'the-last-one';
  sent.set(last, [{ mid: last, kind: 'text', body: { text: 'x' } }]);
  // Whose connection ended before its ack does what the protocol asks of it: sends the same again.
  for (const [mid, payloads] of sent) {
    for (const payload of acked.has(mid) ? [] : payloads) {
      const { status, body } = await http.call('POST', path, payload);
      if (status < 300) acked.set(mid, body.seq);
      else expect(status).toBeLessThan(500);
    }
  }

  const history = await http.history(scene.cid);
  expect(history.length).toBeGreaterThan(100);
  expect(history.map(({ seq }) => seq)).toEqual(range(1, history.length));
  expect(new Map(history.map(({ mid, seq }) => [mid, seq]))).toEqual(new Map([...acked].toSorted((a, b) => a[1] - b[1])));
  for (const message of history) expect(message.from).toBe('fuzzer');

  // Who listened all the time saw the same, field by field.
  await listener.wait('message', (frame) => frame.mid === last);
  expect(listener.of('message').map(({ t: _t, ...fields }) => fields)).toEqual(history);
  expect(listener.of('error')).toEqual([]);
});
