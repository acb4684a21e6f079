import { openMemoryPresence } from '@gapless/adapters/presence/memory';
import {
  type Broker,
  type Chat,
  ChatError,
  Cluster,
  createChat,
  Directory,
  type Log,
  noClusterMetrics,
  OwnReads,
  type Store,
  Writer,
} from '@gapless/core';
import { clusterListener, Gateway, type GatewayLimits, noMetrics } from '@gapless/gateway';
import { jsonCodec } from '@gapless/protocol';
import type { SimProcess, World } from './world.ts';

export interface NodeOptions {
  world: World;
  process: SimProcess;
  store: Store;
  /** Absent: it has the store to itself. */
  broker?: Broker;
  /** The broker carries nothing to anybody: a single node on a store that several could use. */
  alone?: boolean;
  limits: GatewayLimits;
}

/** One server process, wired as apps/server does it. */
export class ServerNode {
  readonly process: SimProcess;
  readonly chat: Chat;
  readonly gateway: Gateway;
  draining = false;
  readonly #writer: Writer;
  readonly #others: Cluster | undefined;
  readonly #ownReads: OwnReads;

  constructor({ world, process, store: saved, broker, alone = false, limits }: NodeOptions) {
    this.process = process;
    const clock = world.clockOf(process);
    const log = logOf(world);
    const ownReads = new OwnReads({
      store: saved,
      clock,
      append: (command) => writer.append(command),
      onError: (error) => log.error({ err: error }, 'own reads'),
      onHealed: () => {
        world.count('own reads healed');
        directory.suspectAll();
        this.gateway.hub.doubtPositions();
      },
    });
    const { store } = ownReads;
    const directory = new Directory(store, { shared: broker !== undefined });
    const metrics = { ...noClusterMetrics, lost: () => world.count('losses told'), recovered: (n: number) => world.count('recovered', n) };
    const others =
      broker === undefined
        ? undefined
        : new Cluster({
            node: process.name,
            broker,
            reads: store,
            clock,
            log,
            metrics,
            alone,
            listener: clusterListener(() => ({
              directory,
              gateway: this.gateway,
              ownReads,
              learnRevoked: () => {},
              refreshRevoked: async () => {},
              followSettings: () => {},
            })),
          });
    const writer = new Writer({
      store,
      clock,
      limits: { lanes: store.capabilities.lanes },
      onCommitted: (committed) => {
        directory.apply(committed);
        this.gateway.publish(committed);
        others?.committed(committed);
      },
      onUnknown: (cids) => others?.doubt(cids),
      onError: (error) => {
        if (!(error instanceof ChatError)) world.crashed('writer', error);
      },
    });
    this.#writer = writer;
    this.#others = others;
    this.#ownReads = ownReads;
    this.chat = createChat({ store, directory, writer, clock });
    this.gateway = new Gateway({
      chat: this.chat,
      reads: store,
      directory,
      verifier: { verify: async (token) => verified(token, clock.now()) },
      ensureSeen: async ({ uid }) => void (await store.ensureUser({ uid, at: clock.now() })),
      presence: openMemoryPresence({ clock }),
      clock,
      log,
      metrics: {
        ...noMetrics,
        caughtUp: (rows) => world.count('rows caught up', rows),
        repaired: () => world.count('holes repaired'),
        resumed: (reset) => world.count(reset ? 'resets' : 'resumes'),
        blocked: () => world.count('slow readers'),
        closed: (reason) => world.count(`closed: ${reason}`),
        pulled: () => world.count('pulls'),
        errorOut: (code) => world.count(`error: ${code}`),
      },
      limits,
      rateLimits: false,
      singleSession: { enabled: false },
      ...(others === undefined ? {} : { others }),
    });
  }

  async start(): Promise<void> {
    await this.#others?.start();
    await this.#ownReads.heal();
  }

  receive(session: Parameters<Gateway['receive']>[0], text: string): void {
    this.gateway.receive(session, Buffer.from(text), jsonCodec);
  }

  /** In good order, as on SIGTERM. */
  async stop(spreadMs: number): Promise<void> {
    this.draining = true;
    await this.gateway.drain({ spreadMs });
    await this.#writer.drain();
    await this.#ownReads.close();
    await this.#writer.close();
    this.#others?.close();
    this.gateway.stop();
  }
}

/** A token is the user, and when it expires. */
export function tokenFor(uid: string, expiresAt: number): string {
  return `${uid} ${expiresAt}`;
}

export function verified(token: string, now: number) {
  const [uid = '', expires] = token.split(' ');
  const expiresAt = Number(expires);
  if (expiresAt <= now) throw new ChatError('token_expired');
  return { uid, role: 'user' as const, expiresAt };
}

/** What the product calls an error is a find, unless it is the store's. */
function logOf(world: World): Log {
  const note = (level: string) => (fields: object, text?: string) => world.note(() => `${level}: ${text} ${JSON.stringify(fields)}`);
  return {
    debug: () => {},
    info: note('info'),
    warn: note('warn'),
    error: (fields: { err?: unknown }, text: string) => {
      if (!(fields.err instanceof ChatError)) world.crashed(`log: ${text}`, fields.err);
    },
  } as unknown as Log;
}
