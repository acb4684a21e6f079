import { type HistoryEvent, historyEvent, type What } from '../check/event.ts';
import { Random } from './random.ts';

interface Kept {
  readonly mid: string;
  readonly from: string;
  readonly h: string;
}

/** What has a number: a message, or what was one and is lost. */
interface Numbered extends Kept {
  lost: boolean;
}

/** What devices are told, in this order: the message of a seq as it is by then, or which seqs were lost. */
type Told = { readonly seq: number } | { readonly lost: readonly number[] };

interface Attempt extends Kept {
  readonly device: Device;
  /** The connection that waits for the answer. */
  readonly k: number;
}

/** On its way to who sent it. */
interface Answer extends Attempt {
  readonly seq: number;
  readonly dup: boolean;
  readonly what: 'accepted' | 'saved' | 'taken back';
}

interface Device {
  readonly u: string;
  readonly d: string;
  k: number;
  connected: boolean;
  /** Everything up to here was received, and so much of what there is to tell. */
  pos: number;
  told: number;
  /** Up to here is replay. */
  head: number;
  read: number;
  /** Sent and not known to be saved: sent again with the same mid. */
  unsure: Kept[];
}

const CRASH = 0.01;
const REFUSED = 0.05;
/** In two phases: that the accept log is lost; the share of what was not saved then that no node remembers; numbers that nobody knows of. */
const LOG_LOST = 0.03;
const FORGOTTEN = 0.7;
const UNKNOWN_MAX = 3;
/** The node that accepts in two phases, and is lost together with the log. */
export const LOST_NODE = 'n1';

/**
 * The history of a correct server: devices come and go, the server crashes, acks are lost and messages sent again; at the end all is quiet,
 * all devices drain, and the log is read. With `twoPhase` messages have their numbers before they are saved, and some are lost in between.
 */
export function generateHistory(seed: number, { steps = 400, devices: count = 4, cid = 'c1', twoPhase = false } = {}): HistoryEvent[] {
  return new World(new Random(seed), { devices: count, cid, twoPhase }).run(steps);
}

class World {
  readonly #random: Random;
  readonly #cid: string;
  readonly #twoPhase: boolean;
  readonly #events: HistoryEvent[] = [];
  readonly #log: Numbered[] = [];
  readonly #told: Told[] = [];
  readonly #devices: Device[];
  /** Sent and not yet at the server; answered and not yet heard. Both in order. */
  #wire: Attempt[] = [];
  #answers: Answer[] = [];
  /** Everything up to here is saved; who waits to hear it, by seq. */
  #saved = 0;
  readonly #waiting = new Map<number, Attempt[]>();
  #now = 0;
  #mids = 0;

  constructor(random: Random, { devices, cid, twoPhase }: { devices: number; cid: string; twoPhase: boolean }) {
    this.#random = random;
    this.#cid = cid;
    this.#twoPhase = twoPhase;
    // Two devices of one user share a read cursor's owner, not a connection.
    this.#devices = Array.from({ length: devices }, (_, n) => ({
      ...{ u: `u${n >> 1}`, d: `d${n}`, k: 0, connected: false },
      ...{ pos: 0, told: 0, head: 0, read: 0, unsure: [] },
    }));
  }

  run(steps: number): HistoryEvent[] {
    for (let step = 0; step < steps; step++) this.#step(this.#random.pick(this.#devices)!);
    this.#calmDown();
    for (const device of this.#devices) {
      while (device.told < this.#told.length) this.#deliver(device);
      this.#emit(device, { ev: 'drained' });
    }
    const history = this.#log.map(({ lost, ...kept }, at) => historyEvent(this.#cid, { seq: at + 1, ...kept, ...(lost ? { lost } : {}) }));
    return [...this.#events, ...history];
  }

  /** Everyone is back; in two phases nobody leaves a message behind whose acceptance may be taken back. */
  #calmDown(): void {
    for (const device of this.#devices) if (!device.connected) this.#join(device);
    do {
      for (const device of this.#devices) while (this.#twoPhase && device.unsure.length > 0) this.#send(device);
      while (this.#wire.length > 0) this.#accept();
      while (this.#saved < this.#log.length) this.#save();
      while (this.#answers.length > 0) this.#answer();
    } while (this.#twoPhase && this.#devices.some(({ unsure }) => unsure.length > 0));
  }

  #step(device: Device): void {
    const random = this.#random;
    if (random.chance(CRASH)) return this.#crash();
    if (this.#twoPhase && random.chance(LOG_LOST)) return this.#loseLog();
    if (!device.connected) return this.#join(device);
    const dice = random.below(20);
    if (dice === 0) this.#drop(device);
    else if (dice < 5) this.#send(device);
    else if (dice < 8 && this.#wire.length > 0) this.#accept();
    else if (dice < 11 && this.#answers.length > 0) this.#answer();
    else if (dice === 11 && this.#saved < this.#log.length) this.#save();
    else if (dice === 12 && device.pos > device.read) {
      device.read += 1 + random.below(device.pos - device.read);
      for (const other of this.#devices) if (other.connected) this.#emit(other, { ev: 'cursor', of: device.d, pos: device.read });
    } else if (device.told < this.#told.length) this.#deliver(device);
  }

  #send(device: Device): void {
    const again = device.unsure.shift();
    const message = again ?? { mid: `m${++this.#mids}`, from: device.u, h: `h${this.#mids}` };
    this.#emit(device, { ev: 'invoke', op: 'send', mid: message.mid, h: message.h });
    if (again === undefined && this.#random.chance(REFUSED))
      this.#emit(device, { ev: 'fail', op: 'send', mid: message.mid, code: 'rate_limited' });
    else this.#wire.push({ ...message, device, k: device.k });
  }

  /** Gives a number; in one phase it is saved with it. */
  #accept(): void {
    const attempt = this.#wire.shift()!;
    const { mid, from, h } = attempt;
    const before = this.#log.findIndex((numbered) => numbered.mid === mid && !numbered.lost) + 1;
    if (before === 0) this.#told.push({ seq: this.#log.push({ mid, from, h, lost: false }) });
    const seq = before === 0 ? this.#log.length : before;
    const dup = before !== 0;
    if (!this.#twoPhase) this.#saved = this.#log.length;
    if (seq <= this.#saved) return void this.#answers.push({ ...attempt, seq, dup, what: 'saved' });
    this.#answers.push({ ...attempt, seq, dup, what: 'accepted' });
    this.#waiting.set(seq, [...(this.#waiting.get(seq) ?? []), attempt]);
  }

  #save(): void {
    const seq = ++this.#saved;
    for (const attempt of this.#waiting.get(seq) ?? []) this.#answers.push({ ...attempt, seq, dup: false, what: 'saved' });
    this.#waiting.delete(seq);
  }

  #answer(): void {
    const { device, k, mid, seq, dup, what } = this.#answers.shift()!;
    if (!device.connected || device.k !== k) return;
    if (what === 'taken back') {
      this.#emit(device, { ev: 'info', op: 'send', mid, code: 'store_unavailable' });
      device.unsure.push(this.#messageOf(mid));
    } else
      this.#emit(device, {
        ev: 'ok',
        op: 'send',
        mid,
        seq,
        ...(dup ? { dup } : {}),
        ...(what === 'accepted' ? { stage: what, by: LOST_NODE } : {}),
      });
  }

  #messageOf(mid: string): Kept {
    const sent = this.#events.find((event) => event.ev === 'invoke' && event.mid === mid) as HistoryEvent & { ev: 'invoke' };
    return { mid, from: sent.u, h: sent.h };
  }

  #deliver(device: Device): void {
    const told = this.#told[device.told++]!;
    if ('lost' in told) return this.#emit(device, { ev: 'lost', seqs: told.lost });
    const { seq } = told;
    device.pos = seq;
    const { lost, ...kept } = this.#log[seq - 1]!;
    const stage = !lost && seq > this.#saved ? { stage: 'accepted' as const } : {};
    this.#emit(device, { ev: 'recv', seq, via: seq <= device.head ? 'replay' : 'live', ...kept, ...stage, ...(lost ? { lost } : {}) });
  }

  #join(device: Device): void {
    device.k++;
    device.connected = true;
    device.head = this.#log.length;
    this.#emit(device, { ev: 'joined', since: device.pos, head: device.head });
  }

  /** What waited for an answer is unknown now; most of it is sent again later, and all that was accepted. */
  #drop(device: Device): void {
    device.connected = false;
    const waiting = [...this.#wire, ...this.#answers, ...[...this.#waiting.values()].flat()];
    for (const mid of new Set(waiting.filter((each) => each.device === device && each.k === device.k).map((each) => each.mid))) {
      this.#emit(device, { ev: 'info', op: 'send', mid });
      if (this.#twoPhase || this.#random.chance(0.8)) device.unsure.push(this.#messageOf(mid));
    }
  }

  /** What was not accepted is gone, and every connection with it. */
  #crash(): void {
    for (const device of this.#devices) if (device.connected) this.#drop(device);
    this.#wire = [];
    this.#answers = [];
  }

  /** What was not saved and no node remembers is lost, and so are numbers that may have been given. Who waits hears of it. */
  #loseLog(): void {
    const lost: number[] = [];
    const give = () => {
      const seq = this.#log.push({ mid: `l${this.#log.length}`, from: 'system', h: 'lost', lost: true });
      this.#told.push({ seq });
    };
    for (let i = this.#random.below(UNKNOWN_MAX + 1); i > 0; i--) give();
    for (let seq = this.#saved + 1; seq <= this.#log.length; seq++) {
      if (!this.#log[seq - 1]!.lost && !this.#random.chance(FORGOTTEN)) continue;
      lost.push(seq);
      for (const attempt of this.#waiting.get(seq) ?? []) this.#answers.push({ ...attempt, seq, dup: false, what: 'taken back' });
      this.#waiting.delete(seq);
      this.#log[seq - 1] = { mid: `l${seq}`, from: 'system', h: 'lost', lost: true };
    }
    while (this.#saved < this.#log.length) this.#save();
    if (lost.length > 0) this.#told.push({ lost });
  }

  #emit({ u, d, k }: Device, what: What): void {
    this.#now += 1 + this.#random.below(1_000);
    this.#events.push({ p: 1, u, d, k, t: this.#now, cid: this.#cid, ...what });
  }
}
