import { ChatError } from '@gapless/core';
import type { Clock } from '@gapless/kit';

/** How long one answer is good for. */
const KEPT_MS = 500;

export interface Ready {
  readonly ok: boolean;
  readonly checks: Readonly<Record<string, string>>;
}

/** What must work: rejects while it does not, or resolves to a text that says why. */
export type Check = () => Promise<unknown>;

/** Whether to send traffic here. Anyone may ask, and looking writes: one look serves all who ask within its time. */
export class Readiness {
  readonly #clock: Clock;
  readonly #checks: Readonly<Record<string, Check>>;
  readonly #told: Readonly<Record<string, Check>>;
  #at = 0;
  #found: Promise<Ready> | undefined;

  /** A check that rejects with ChatError is named by its code, else `failed`. Those of `told` are told, and traffic may come all the same. */
  constructor(clock: Clock, checks: Readonly<Record<string, Check>>, told: Readonly<Record<string, Check>> = {}) {
    this.#clock = clock;
    this.#checks = checks;
    this.#told = told;
  }

  look(): Promise<Ready> {
    if (this.#found === undefined || this.#clock.elapsed() - this.#at >= KEPT_MS) {
      this.#at = this.#clock.elapsed();
      this.#found = this.#look();
    }
    return this.#found;
  }

  /** Something failed: the next who asks has it looked at again. */
  forget(): void {
    this.#found = undefined;
  }

  async #look(): Promise<Ready> {
    const [needed, told] = await Promise.all([resultsOf(this.#checks), resultsOf(this.#told)]);
    const ok = Object.values(needed).every((result) => result === 'ok');
    // Bad news is not kept: what asks again may hear that it is over.
    if (!ok) this.#found = undefined;
    return { ok, checks: { ...needed, ...told } };
  }
}

async function resultsOf(checks: Readonly<Record<string, Check>>): Promise<Record<string, string>> {
  return Object.fromEntries(await Promise.all(Object.entries(checks).map(async ([name, check]) => [name, await resultOf(check)] as const)));
}

function resultOf(check: Check): Promise<string> {
  return check().then(
    (why) => (typeof why === 'string' ? why : 'ok'),
    (error: unknown) => (error instanceof ChatError ? error.code : 'failed'),
  );
}
