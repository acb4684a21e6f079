import { type HistoryEvent, historyEvent, type What } from '../check/event.ts';
import { Random } from './random.ts';

interface Kept {
  readonly mid: string;
  readonly from: string;
  readonly h: string;
}

interface Attempt extends Kept {
  readonly device: Device;
  /** The connection that waits for the answer. */
  readonly k: number;
  seq?: number;
  dup?: boolean;
}

interface Device {
  readonly u: string;
  readonly d: string;
  k: number;
  connected: boolean;
  /** Everything up to here was received. */
  pos: number;
  /** Up to here is replay. */
  head: number;
  read: number;
  /** Sent and not known to be saved: sent again with the same mid. */
  unsure: Kept[];
}

const CRASH = 0.01;
const REFUSED = 0.05;

/**
 * The history of a correct server: devices come and go, the server crashes, acks are lost and messages sent again; at the end all is quiet,
 * some devices drain, and the log is read.
 */
export function generateHistory(seed: number, { steps = 400, devices: count = 4, cid = 'c1' } = {}): HistoryEvent[] {
  return new World(new Random(seed), count, cid).run(steps);
}

class World {
  readonly #random: Random;
  readonly #cid: string;
  readonly #events: HistoryEvent[] = [];
  readonly #log: Kept[] = [];
  readonly #devices: Device[];
  /** Sent and not yet at the server; saved and not yet acknowledged. Both in order. */
  #wire: Attempt[] = [];
  #acks: Attempt[] = [];
  #now = 0;
  #mids = 0;

  constructor(random: Random, devices: number, cid: string) {
    this.#random = random;
    this.#cid = cid;
    // Two devices of one user share a read cursor's owner, not a connection.
    this.#devices = Array.from({ length: devices }, (_, n) => ({
      u: `u${n >> 1}`,
      d: `d${n}`,
      k: 0,
      connected: false,
      pos: 0,
      head: 0,
      read: 0,
      unsure: [],
    }));
  }

  run(steps: number): HistoryEvent[] {
    for (let step = 0; step < steps; step++) this.#step(this.#random.pick(this.#devices)!);
    while (this.#wire.length > 0) this.#save();
    while (this.#acks.length > 0) this.#acknowledge();
    for (const device of this.#devices) {
      if (!device.connected) this.#join(device);
      while (device.pos < this.#log.length) this.#deliver(device);
      this.#emit(device, { ev: 'drained' });
    }
    const history = this.#log.map((kept, at) => historyEvent(this.#cid, { seq: at + 1, ...kept }));
    return [...this.#events, ...history];
  }

  #step(device: Device): void {
    const random = this.#random;
    if (random.chance(CRASH)) return this.#crash();
    if (!device.connected) return this.#join(device);
    const dice = random.below(20);
    if (dice === 0) this.#drop(device);
    else if (dice < 5) this.#send(device);
    else if (dice < 8 && this.#wire.length > 0) this.#save();
    else if (dice < 11 && this.#acks.length > 0) this.#acknowledge();
    else if (dice === 11 && device.pos > device.read) {
      device.read += 1 + random.below(device.pos - device.read);
      for (const other of this.#devices) if (other.connected) this.#emit(other, { ev: 'cursor', of: device.d, pos: device.read });
    } else if (device.pos < this.#log.length) this.#deliver(device);
  }

  #send(device: Device): void {
    const again = device.unsure.shift();
    const message = again ?? { mid: `m${++this.#mids}`, from: device.u, h: `h${this.#mids}` };
    this.#emit(device, { ev: 'invoke', op: 'send', mid: message.mid, h: message.h });
    if (again === undefined && this.#random.chance(REFUSED))
      this.#emit(device, { ev: 'fail', op: 'send', mid: message.mid, code: 'rate_limited' });
    else this.#wire.push({ ...message, device, k: device.k });
  }

  #save(): void {
    const attempt = this.#wire.shift()!;
    const before = this.#log.findIndex(({ mid }) => mid === attempt.mid);
    if (before === -1) this.#log.push({ mid: attempt.mid, from: attempt.from, h: attempt.h });
    this.#acks.push({ ...attempt, seq: before === -1 ? this.#log.length : before + 1, dup: before !== -1 });
  }

  #acknowledge(): void {
    const { device, k, mid, seq, dup } = this.#acks.shift()!;
    if (device.connected && device.k === k) this.#emit(device, { ev: 'ok', op: 'send', mid, seq: seq!, ...(dup ? { dup } : {}) });
  }

  #deliver(device: Device): void {
    device.pos++;
    const via = device.pos <= device.head ? 'replay' : 'live';
    this.#emit(device, { ev: 'recv', seq: device.pos, via, ...this.#log[device.pos - 1]! });
  }

  #join(device: Device): void {
    device.k++;
    device.connected = true;
    device.head = this.#log.length;
    this.#emit(device, { ev: 'joined', since: device.pos, head: device.head });
  }

  /** What waited for an answer is unknown now; most of it is sent again later. */
  #drop(device: Device): void {
    device.connected = false;
    for (const attempt of [...this.#wire, ...this.#acks]) {
      if (attempt.device !== device || attempt.k !== device.k) continue;
      this.#emit(device, { ev: 'info', op: 'send', mid: attempt.mid });
      if (this.#random.chance(0.8)) device.unsure.push({ mid: attempt.mid, from: attempt.from, h: attempt.h });
    }
  }

  /** What was not saved is gone, and every connection with it. */
  #crash(): void {
    for (const device of this.#devices) if (device.connected) this.#drop(device);
    this.#wire = [];
    this.#acks = [];
  }

  #emit({ u, d, k }: Device, what: What): void {
    this.#now += 1 + this.#random.below(1_000);
    this.#events.push({ p: 1, u, d, k, t: this.#now, cid: this.#cid, ...what });
  }
}
