import { openMemoryPresence } from '@gapless/adapters/presence/memory';
import { openMemoryStore } from '@gapless/adapters/store/memory';
import {
  type Actor,
  type Broker,
  ChatError,
  Cluster,
  createChat,
  Directory,
  noClusterMetrics,
  OwnReads,
  type Store,
  silentLog,
  type VerifiedToken,
  Writer,
} from '@gapless/core';
import { type DownFrame, type DownFrameOf, type DownType, jsonCodec } from '@gapless/protocol';
import { FakeClock, settled } from '@gapless/testkit';
import { clusterListener } from './cluster-listener.ts';
import { ENCODING, type Encoding } from './frame.ts';
import { Gateway } from './gateway.ts';
import { GATEWAY_LIMITS, type GatewayLimits } from './limits.ts';
import { noMetrics } from './metrics.ts';
import type { Session, Transport } from './session.ts';

// For tests only: the gateway over the memory store, a clock that is driven by hand, and connections without a network.

/** Keeps what is written; refuses bytes while `writable` is false, as a socket with full buffers does. */
export class FakeTransport implements Transport {
  readonly encoding: Encoding;
  readonly writes: Buffer[] = [];
  bufferedBytes = 0;
  writable = true;
  reading = true;
  pings = 0;
  closedWith: number | undefined;
  terminated = false;
  #written = 0;

  constructor(encoding: Encoding = ENCODING.json) {
    this.encoding = encoding;
  }

  get takenBytes(): number {
    return this.#written - this.bufferedBytes;
  }

  write(bytes: Buffer): void {
    this.#written += bytes.length;
    this.writes.push(bytes);
    if (!this.writable) this.bufferedBytes += bytes.length;
  }

  pauseReading(): void {
    this.reading = false;
  }

  resumeReading(): void {
    this.reading = true;
  }

  ping(): void {
    this.pings++;
  }

  close(code: number): void {
    this.closedWith = code;
  }

  terminate(): void {
    this.terminated = true;
  }
}

/** One client of the gateway. */
export class FakeClient {
  readonly transport: FakeTransport;
  readonly session: Session;
  readonly #gateway: Gateway;

  constructor(gateway: Gateway, transport: FakeTransport) {
    this.#gateway = gateway;
    this.transport = transport;
    this.session = gateway.open(transport, '127.0.0.1');
  }

  /** Resolves when the frame and what it led to are done. */
  async send(frame: unknown): Promise<void> {
    this.#gateway.receive(this.session, jsonCodec.encode(frame), jsonCodec);
    await settled();
  }

  async raw(text: string): Promise<void> {
    this.#gateway.receive(this.session, Buffer.from(text), jsonCodec);
    await settled();
  }

  /** Everything written so far, in order; an array on the wire counts as its frames. */
  get frames(): DownFrame[] {
    return this.transport.writes.flatMap(unpack).flat();
  }

  of<T extends DownType>(t: T): DownFrameOf<T>[] {
    return this.frames.filter((frame) => frame.t === t) as DownFrameOf<T>[];
  }

  seqs(cid: string): number[] {
    return this.of('message')
      .filter((frame) => frame.cid === cid)
      .map((frame) => frame.seq);
  }

  async drain(): Promise<void> {
    this.transport.writable = true;
    this.transport.bufferedBytes = 0;
    this.#gateway.drained(this.session);
    await settled();
  }
}

/** The frames in one write: several WebSocket messages may be in it. */
function unpack(bytes: Buffer): (DownFrame | DownFrame[])[] {
  const found: (DownFrame | DownFrame[])[] = [];
  for (let at = 0; at < bytes.length; ) {
    let length = bytes[at + 1]!;
    let start = at + 2;
    if (length === 126) {
      length = bytes.readUInt16BE(at + 2);
      start = at + 4;
    } else if (length === 127) {
      length = Number(bytes.readBigUInt64BE(at + 2));
      start = at + 10;
    }
    found.push(JSON.parse(bytes.subarray(start, start + length).toString()));
    at = start + length;
  }
  return found;
}

export interface NodeOptions {
  limits?: Partial<GatewayLimits>;
  rateLimits?: boolean;
  singleSession?: boolean;
  /** Shared by several nodes. */
  clock?: FakeClock;
  store?: Store;
  /** Connects it to others. */
  broker?: Broker;
  node?: string;
  reads?: Pick<Store, 'replay'>;
}

export async function startGateway(options: NodeOptions = {}) {
  const clock = options.clock ?? new FakeClock();
  const ownReads = new OwnReads({
    store: options.store ?? openMemoryStore(),
    clock,
    append: (command) => writer.append(command),
    onError() {},
  });
  const { store } = ownReads;
  const directory = new Directory(store, { shared: options.broker !== undefined });
  const tokens = new Map<string, VerifiedToken>();
  const { broker, node = 'node' } = options;
  const revoked: string[] = [];
  const listener = clusterListener(() => ({
    directory,
    gateway,
    ownReads,
    learnRevoked: (sids) => void revoked.push(...sids),
    refreshRevoked: async () => {},
    followSettings: () => {},
    retellSettings: () => {},
  }));
  const others = broker && new Cluster({ node, broker, reads: store, clock, log: silentLog, metrics: noClusterMetrics, listener });
  const writer = new Writer({
    store,
    clock,
    onCommitted(committed) {
      directory.apply(committed);
      gateway.publish(committed);
      others?.committed(committed);
    },
    onUnknown: (cids) => others?.doubt(cids),
  });
  const chat = createChat({ store, directory, writer, clock });
  const presence = openMemoryPresence({ clock });
  const gateway: Gateway = new Gateway({
    chat,
    reads: options.reads ?? store,
    directory,
    verifier: {
      async verify(token) {
        const found = tokens.get(token);
        if (found === undefined) throw new ChatError('unauthorized');
        if (found.expiresAt <= clock.now()) throw new ChatError('token_expired');
        return found;
      },
    },
    ensureSeen: async ({ uid }) => void (await store.ensureUser({ uid, at: clock.now() })),
    presence,
    clock,
    log: silentLog,
    metrics: noMetrics,
    // The clock stands still: nobody would wake who rests.
    limits: { ...GATEWAY_LIMITS, catchUpShareMs: Number.POSITIVE_INFINITY, ...options.limits },
    rateLimits: options.rateLimits ?? false,
    singleSession: { enabled: options.singleSession ?? false },
    ...(others === undefined ? {} : { others }),
  });
  await others?.start();

  const admin: Actor = { uid: 'backend', role: 'admin' };

  /** A token for `uid` that lives for `lifeMs`. */
  function token(uid: string, { lifeMs = 3_600_000, sid }: { lifeMs?: number; sid?: string } = {}): string {
    const text = `${uid}-${tokens.size}`;
    tokens.set(text, { uid, role: 'user', expiresAt: clock.now() + lifeMs, ...(sid === undefined ? {} : { sid }) });
    return text;
  }

  return {
    clock,
    chat,
    gateway,
    store,
    others,
    revoked,
    admin,
    token,
    open: (encoding?: Encoding) => new FakeClient(gateway, new FakeTransport(encoding)),
    async connect(uid: string, { encoding, device }: { encoding?: Encoding; device?: string } = {}): Promise<FakeClient> {
      const client = new FakeClient(gateway, new FakeTransport(encoding));
      await client.send({ t: 'auth', jwt: token(uid), ...(device === undefined ? {} : { device }) });
      return client;
    },
    async group(...users: string[]): Promise<string> {
      const { conversation } = await chat.createConversation(admin, { kind: 'group', participants: users });
      return conversation.cid;
    },
    /** Commits `count` messages of `uid`. */
    async say(uid: string, cid: string, count: number, tag = 'm', text = 'hello'): Promise<void> {
      await Promise.all(
        Array.from({ length: count }, (_, i) =>
          chat.send({ uid, role: 'user' }, { cid, mid: `${tag}-${i}`, kind: 'text', body: { text } }),
        ),
      );
      await settled();
    },
  };
}
