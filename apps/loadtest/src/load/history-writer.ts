import { closeSync, openSync, writeSync } from 'node:fs';
import type { HistoryEvent, What } from '../check/event.ts';

const FLUSH_CHARS = 1 << 20;

/** Writes the history of this process; see check/event.ts. */
export class HistoryWriter {
  readonly #file: number;
  readonly #process: string;
  #pending = '';

  constructor(path: string, process: string) {
    this.#file = openSync(path, 'w');
    this.#process = process;
  }

  write(where: { u: string; d: string; k: number; cid: string }, what: What): void {
    const event: HistoryEvent = { p: this.#process, ...where, t: Number(process.hrtime.bigint()), ...what };
    this.#pending += `${JSON.stringify(event)}\n`;
    if (this.#pending.length > FLUSH_CHARS) this.flush();
  }

  flush(): void {
    writeSync(this.#file, this.#pending);
    this.#pending = '';
  }

  close(): void {
    this.flush();
    closeSync(this.#file);
  }
}
