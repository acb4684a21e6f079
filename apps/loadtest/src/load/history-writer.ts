import { closeSync, openSync, writeSync } from 'node:fs';
import type { What } from '../check/event.ts';

const FLUSH_CHARS = 1 << 20;

/** Writes the history of this process; see check/event.ts. Nothing it is given needs escapes. */
export class HistoryWriter {
  readonly #file: number;
  readonly #process: string;
  #pending = '';

  constructor(path: string, process: string) {
    this.#file = openSync(path, 'w');
    this.#process = process;
  }

  /** `where`: the fields `u`, `d`, `k` and `cid` as JSON, commas between. */
  write(where: string, what: What): void {
    const fields = JSON.stringify(what);
    this.#pending += `{"p":"${this.#process}",${where},"t":${process.hrtime.bigint()},${fields.slice(1)}\n`;
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
