import { Connection, type Value } from './connection.ts';
import { type Host, hostsOf } from './hosts.ts';

/** How long a statement waits for a free connection. */
const WAIT_MS = 3_000;

/** After a failed try to connect, the next one; until then everything fails at once. */
const RECONNECT_MS = 200;

export interface PoolOptions {
  url: string;
  size: number;
  /** Called when the server was lost, once until it is back. */
  onError: (error: unknown) => void;
}

interface Waiting {
  resolve: (connection: Connection) => void;
  reject: (error: unknown) => void;
  timer: NodeJS.Timeout;
}

/**
 * Connections, each for one statement at a time, opened when needed. A statement either runs soon or fails: it is never kept for when the
 * server is back. The next one after that finds it by itself.
 */
export class Pool {
  /** Grows with every connection that was lost: what was learnt from the server before may not hold any more. */
  losses = 0;
  readonly #options: PoolOptions;
  /** The one that took writes last comes first: of the others each may cost a timeout. */
  #hosts: readonly Host[];
  readonly #idle: Connection[] = [];
  readonly #open = new Set<Connection>();
  readonly #waiting: Waiting[] = [];
  /** Connections that are there or being made. */
  #count = 0;
  /** The last try to connect, where it failed. */
  #refused: { error: unknown; at: number } | undefined;
  /** The server is lost, and that was told. */
  #told = false;
  #closed = false;

  constructor(options: PoolOptions) {
    this.#options = options;
    this.#hosts = hostsOf(options.url);
  }

  async query<Row>(text: string, values: readonly Value[] = []): Promise<Row[]> {
    const connection = await this.#take();
    try {
      return await connection.query<Row>(text, values);
    } finally {
      this.#give(connection);
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const waiting of this.#waiting.splice(0)) this.#refuse(waiting, new Error('the store is closed'));
    await Promise.all([...this.#open].map((connection) => connection.close()));
  }

  #take(): Promise<Connection> {
    if (this.#closed) return Promise.reject(new Error('the store is closed'));
    const idle = this.#idle.pop();
    if (idle !== undefined) return Promise.resolve(idle);
    return this.#count < this.#options.size ? this.#connect() : this.#wait();
  }

  #wait(): Promise<Connection> {
    return new Promise((resolve, reject) => {
      const waiting: Waiting = { resolve, reject, timer: setTimeout(() => this.#expire(waiting), WAIT_MS) };
      this.#waiting.push(waiting);
    });
  }

  async #connect(): Promise<Connection> {
    if (this.#refused !== undefined && performance.now() < this.#refused.at + RECONNECT_MS) {
      if (this.#open.size > 0) return this.#wait();
      throw this.#refused.error;
    }
    this.#count++;
    try {
      const connection = await Connection.open(this.#options.url, this.#hosts, (ended) => this.#forget(ended));
      this.#hosts = [connection.host, ...this.#hosts.filter((host) => host !== connection.host)];
      this.#open.add(connection);
      if (this.#closed) await connection.close();
      this.#refused = undefined;
      this.#told = false;
      return connection;
    } catch (error) {
      this.#count--;
      this.#refused = { error, at: performance.now() };
      // The server has no more of them, or not now; those that stand work.
      if (this.#open.size > 0) return this.#wait();
      this.#tell(error);
      // Who waited for this connection would only wait for the next one to fail.
      for (const waiting of this.#waiting.splice(0)) this.#refuse(waiting, error);
      throw error;
    }
  }

  #give(connection: Connection): void {
    if (connection.failure !== undefined) return this.#drop(connection);
    const waiting = this.#waiting.shift();
    if (waiting === undefined) this.#idle.push(connection);
    else {
      clearTimeout(waiting.timer);
      waiting.resolve(connection);
    }
  }

  /** It ended while nobody used it. */
  #forget(connection: Connection): void {
    const place = this.#idle.indexOf(connection);
    if (place === -1) return;
    this.#idle.splice(place, 1);
    this.#drop(connection);
  }

  #drop(connection: Connection): void {
    this.losses++;
    this.#count--;
    this.#open.delete(connection);
    if (this.#closed) return;
    this.#tell(connection.failure);
    const waiting = this.#waiting.shift();
    if (waiting === undefined) return;
    clearTimeout(waiting.timer);
    this.#connect().then(waiting.resolve, waiting.reject);
  }

  #tell(error: unknown): void {
    if (this.#told || this.#closed) return;
    this.#told = true;
    this.#options.onError(error);
  }

  #expire(waiting: Waiting): void {
    this.#waiting.splice(this.#waiting.indexOf(waiting), 1);
    this.#refuse(waiting, new Error(`no connection to Postgres was free within ${WAIT_MS} ms`));
  }

  #refuse({ reject, timer }: Waiting, error: unknown): void {
    clearTimeout(timer);
    reject(error);
  }
}
