import { openMemoryPresence } from '@gapless/adapters/presence/memory';
import {
  type AcceptLog,
  type Broker,
  type Chat,
  ChatError,
  Cluster,
  type Committed,
  createChat,
  Directory,
  type Log,
  noClusterMetrics,
  OwnReads,
  type Store,
  type TwoPhaseRules,
  Writer,
} from '@gapless/core';
import { clusterListener, Gateway, type GatewayLimits, noMetrics } from '@gapless/gateway';
import { jsonCodec } from '@gapless/protocol';
import { type RunningTwoPhase, startTwoPhase } from './two-phase.ts';
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
  /** Two-phase acks. Absent: there is no accept log. */
  twoPhase?: { accept: AcceptLog; rules: TwoPhaseRules };
}

/** One server process, wired as apps/server does it. */
export class ServerNode {
  readonly process: SimProcess;
  readonly chat: Chat;
  readonly gateway: Gateway;
  draining = false;
  readonly #directory: Directory;
  readonly #writer: Writer;
  readonly #ownReads: OwnReads;
  readonly #others: Cluster | undefined;
  readonly #twoPhase: RunningTwoPhase | undefined;

  constructor(options: NodeOptions) {
    const { world, process, store: saved, broker } = options;
    this.process = process;
    const clock = world.clockOf(process);
    const log = logOf(world);
    const parts = () => ({ writer: this.#writer, tell: (committed: Committed) => this.#tell(committed) });
    this.#twoPhase = options.twoPhase && startTwoPhase({ world, process, log, clock, store: saved, ...options.twoPhase }, parts);
    this.#ownReads = new OwnReads({
      store: { ...saved, ...this.#twoPhase?.reads },
      clock,
      append: (command) => road.append(command),
      onError: (error) => log.error({ err: error }, 'own reads'),
      onHealed: () => {
        world.count('own reads healed');
        this.#directory.suspectAll();
        this.gateway.hub.doubtPositions();
      },
    });
    const { store } = this.#ownReads;
    this.#directory = new Directory(store, { shared: broker !== undefined });
    this.#others = broker && this.#cluster({ ...options, store, broker }, log);
    this.#writer = new Writer({
      store,
      clock,
      limits: { lanes: store.capabilities.lanes },
      onCommitted: (committed) => this.#publish(committed),
      onUnknown: (cids) => this.#others?.doubt(cids),
      onError: (error) => {
        if (!isExpected(error)) world.crashed('writer', error);
      },
    });
    const road = this.#twoPhase?.road ?? this.#writer;
    this.chat = createChat({ store, directory: this.#directory, writer: road, clock });
    this.gateway = this.#gateway({ ...options, store }, log);
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
    await this.#twoPhase?.close();
    await this.#ownReads.close();
    await this.#writer.close();
    await this.#twoPhase?.end();
    this.#others?.close();
    this.gateway.stop();
  }

  #publish(committed: Committed): void {
    this.#directory.apply(committed);
    this.gateway.publish(committed);
    this.#others?.committed(committed);
    this.#twoPhase?.road.heard(committed);
  }

  /** Of what was accepted, or what the savers saved. */
  #tell(committed: Committed): void {
    this.#ownReads.heard(committed);
    this.#publish(committed);
  }

  #cluster({ world, process, store, broker, alone = false }: NodeOptions & { broker: Broker }, log: Log): Cluster {
    return new Cluster({
      node: process.name,
      broker,
      reads: store,
      clock: world.clockOf(process),
      log,
      metrics: { ...noClusterMetrics, lost: () => world.count('losses told'), recovered: (n) => world.count('recovered', n) },
      alone,
      listener: clusterListener(() => ({
        directory: this.#directory,
        gateway: this.gateway,
        ownReads: this.#ownReads,
        twoPhase: this.#twoPhase,
        learnRevoked: () => {},
        refreshRevoked: async () => {},
        followSettings: () => {},
        retellSettings: () => {},
      })),
    });
  }

  #gateway({ world, process, store, limits }: NodeOptions, log: Log): Gateway {
    const clock = world.clockOf(process);
    return new Gateway({
      chat: this.chat,
      reads: store,
      directory: this.#directory,
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
      ...(this.#others === undefined ? {} : { others: this.#others }),
    });
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

/** Of core and gateway: the store could not be asked whom to tell. */
export const NOTICE_NOT_SENT = 'conversation notice not sent';

/** The errors of whoever has to do without the store for a while, or has too much to do. */
function isExpected(error: unknown): boolean {
  return error instanceof ChatError && (error.code === 'store_unavailable' || error.code === 'server_busy');
}

/** What the product calls an error is a find, unless it is one of these. */
function logOf(world: World): Log {
  const note = (level: string) => (fields: object, text: string) => world.note(() => `${level}: ${text} ${JSON.stringify(fields)}`);
  return {
    info: note('info'),
    warn: (fields, text) => {
      note('warn')(fields, text);
      if (text === NOTICE_NOT_SENT) world.count(text);
    },
    error: (fields: { err?: unknown }, text: string) => {
      note('error')({ ...fields, err: String(fields.err) }, text);
      if (!isExpected(fields.err)) world.crashed(`log: ${text}`, fields.err ?? JSON.stringify(fields));
    },
  };
}
