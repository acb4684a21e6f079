import type { UpFrame } from '@gapless/protocol';

/** How far the user has read and this device has received one conversation, and what the server was told of it. */
export class Reading {
  readonly #cid: string;
  #lastRead = 0;
  #toldRead = 0;
  /** The server said that it knows. */
  #confirmedRead = 0;
  #toldAck = 0;

  constructor(cid: string) {
    this.#cid = cid;
  }

  get lastRead(): number {
    return this.#lastRead;
  }

  get hasToTell(): boolean {
    return this.#lastRead > this.#toldRead;
  }

  /** True when that was news. */
  raise(pos: number): boolean {
    if (pos <= this.#lastRead) return false;
    this.#lastRead = pos;
    return true;
  }

  /** What the server says it knows, after a join. `reset`: it counts from there, even if that is less. */
  onJoined(lastRead: number, { reset }: { reset: boolean }): void {
    this.#toldRead = this.#confirmedRead = lastRead;
    if (reset) this.#lastRead = lastRead;
  }

  /** The server knows. */
  known(pos: number): void {
    this.#confirmedRead = Math.max(this.#confirmedRead, pos);
    this.#toldRead = Math.max(this.#toldRead, pos);
  }

  /** A new connection knows of no `ack`; and what was told last may have gone down with the old one. */
  onDisconnect(): void {
    this.#toldAck = 0;
    this.#toldRead = this.#confirmedRead;
  }

  /** A position was refused: it is told again. */
  onRefused(t: string): void {
    if (t === 'ack') this.#toldAck = 0;
    else this.#toldRead = 0;
  }

  /** `received`: newest seq up to which this device has everything. */
  tell(send: (frame: UpFrame) => boolean, received: number): void {
    const cid = this.#cid;
    if (received > this.#toldAck && send({ t: 'ack', cid, pos: received })) this.#toldAck = received;
    if (this.hasToTell && send({ t: 'read', cid, pos: this.#lastRead })) this.#toldRead = this.#lastRead;
  }
}
