import { type Argon2Parameters, argon2, randomBytes, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import { ChatError } from './errors.ts';

// argon2id at the strength OWASP advises: 19 MiB, 2 passes, 1 lane.
const MEMORY_KIB = 19_456;
const PASSES = 2;
const LANES = 1;
const SALT_BYTES = 16;
const TAG_BYTES = 32;

/** Hashes at a time: each takes 19 MiB and a thread of the pool that file work needs too. */
const RUNNING_MAX = 2;
/** Hashes that wait; more are refused at once. */
const WAITING_MAX = 100;
const BUSY_RETRY_MS = 1_000;

const derive = promisify(argon2) as (algorithm: 'argon2id', parameters: Argon2Parameters) => Promise<Buffer>;

/** Stands for the hash of an account that does not exist, so that a name cannot be probed by time. */
const NO_ACCOUNT = phcString(Buffer.alloc(SALT_BYTES), Buffer.alloc(TAG_BYTES));

/** Hashes passwords to PHC strings and checks them, a bounded number at a time. Every method: @throws ChatError server_busy */
export class PasswordHasher {
  #running = 0;
  readonly #waiting: (() => void)[] = [];

  async hash(password: string): Promise<string> {
    const salt = randomBytes(SALT_BYTES);
    const tag = await this.#run(password, { salt, memory: MEMORY_KIB, passes: PASSES, parallelism: LANES, tagLength: TAG_BYTES });
    return phcString(salt, tag);
  }

  /** Without a hash (no such account) it takes as long and is false. */
  async verify(password: string, phc: string | undefined): Promise<boolean> {
    const { tag, ...parameters } = parse(phc ?? NO_ACCOUNT);
    const found = await this.#run(password, { ...parameters, tagLength: tag.length });
    return timingSafeEqual(found, tag) && phc !== undefined;
  }

  async #run(password: string, { salt, ...parameters }: { salt: Buffer } & Omit<Argon2Parameters, 'message' | 'nonce'>): Promise<Buffer> {
    await this.#enter();
    try {
      // One spelling for what different keyboards compose differently.
      return await derive('argon2id', { ...parameters, message: password.normalize('NFKC'), nonce: salt });
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#running--;
      else next();
    }
  }

  /** Resolves with a place taken; the one who leaves hands its place on. */
  #enter(): Promise<void> {
    if (this.#running < RUNNING_MAX) {
      this.#running++;
      return Promise.resolve();
    }
    if (this.#waiting.length >= WAITING_MAX) throw new ChatError('server_busy', { retryAfterMs: BUSY_RETRY_MS });
    return new Promise((resolve) => this.#waiting.push(resolve));
  }
}

function phcString(salt: Buffer, tag: Buffer): string {
  return `$argon2id$v=19$m=${MEMORY_KIB},t=${PASSES},p=${LANES}$${base64(salt)}$${base64(tag)}`;
}

function parse(phc: string): { memory: number; passes: number; parallelism: number; salt: Buffer; tag: Buffer } {
  const match = /^\$argon2id\$v=19\$m=(\d+),t=(\d+),p=(\d+)\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)$/.exec(phc);
  if (match === null) throw new Error('a stored password hash is not an argon2id PHC string');
  const [, memory, passes, parallelism, salt, tag] = match as unknown as [string, string, string, string, string, string];
  return {
    memory: Number(memory),
    passes: Number(passes),
    parallelism: Number(parallelism),
    salt: Buffer.from(salt, 'base64'),
    tag: Buffer.from(tag, 'base64'),
  };
}

/** PHC strings have no padding. */
function base64(bytes: Buffer): string {
  return bytes.toString('base64').replace(/=+$/, '');
}
