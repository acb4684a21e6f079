import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Store } from '@gapless/core';
import { expect } from 'vitest';

const SCRIPT = join(import.meta.dirname, 'committer.test-util.ts');

/** committer.test-util.ts in a process of its own, perhaps under another program. */
export class Committer {
  readonly lines: string[] = [];
  readonly exited: Promise<number | null>;
  readonly #kill: () => void;
  #woken: () => void = () => {};

  constructor(args: readonly string[], under: readonly string[] = []) {
    const [program, ...rest] = [...under, process.execPath, SCRIPT, ...args];
    const child = spawn(program!, rest, { stdio: ['ignore', 'pipe', 'inherit'] });
    this.#kill = () => child.kill('SIGKILL');
    createInterface({ input: child.stdout }).on('line', (line) => {
      this.lines.push(line);
      this.#woken();
    });
    this.exited = new Promise((resolve) => child.once('close', resolve));
  }

  /** Resolves when it has printed this many lines. */
  async wait(count: number): Promise<void> {
    let over = false;
    void this.exited.then(() => {
      over = true;
      this.#woken();
    });
    while (this.lines.length < count && !over) await new Promise<void>((resolve) => (this.#woken = resolve));
  }

  async kill(): Promise<void> {
    this.#kill();
    await this.exited;
  }

  /** Newest seq that it says is durable. */
  get acked(): number {
    return Math.max(0, ...this.lines.filter((line) => line.startsWith('acked')).map((line) => Number(line.split(' ')[2])));
  }
}

/** Everything acked is there, and the history has no hole. */
export async function expectKept(store: Store, acked: number): Promise<void> {
  const messages = await store.messages('c1', { after: 0, limit: 1_000_000 });
  expect(messages.length).toBeGreaterThanOrEqual(acked);
  for (const [i, { seq, rev, mid, body }] of messages.entries()) {
    if (seq !== i + 1 || rev !== seq || mid !== `m${seq}` || body !== `{"text":"${mid}"}`)
      expect({ seq, rev, mid, body }).toBe(`message ${i + 1}`);
  }
  expect(await store.conversation('c1')).toMatchObject({ head: messages.length, rev: messages.length });
  expect(await store.changes('c1', { after: 0, limit: 1_000_000 })).toHaveLength(messages.length);
}
