/** Below the 5 s after which it dies at the others. */
const REPEAT_MS = 3_000;
const IDLE_MS = 4_000;
const DIES_MS = 5_000;

/** Says that the user types: `on` now and then, `off` when the keys rest. */
export class TypingOut {
  readonly #tell: (on: boolean) => void;
  #toldAt = Number.NEGATIVE_INFINITY;
  #idle: ReturnType<typeof setTimeout> | undefined;

  constructor(tell: (on: boolean) => void) {
    this.#tell = tell;
  }

  set(on: boolean): void {
    const wasOn = this.#idle !== undefined;
    clearTimeout(this.#idle);
    this.#idle = undefined;
    if (!on) {
      this.#toldAt = Number.NEGATIVE_INFINITY;
      if (wasOn) this.#tell(false);
      return;
    }
    this.#idle = setTimeout(() => this.set(false), IDLE_MS);
    if (Date.now() - this.#toldAt < REPEAT_MS) return;
    this.#toldAt = Date.now();
    this.#tell(true);
  }
}

/** Who types: each until `off`, their message, or silence. */
export class TypingIn {
  readonly #changed: () => void;
  readonly #timers = new Map<string, ReturnType<typeof setTimeout>>();

  constructor(changed: () => void) {
    this.#changed = changed;
  }

  users(): string[] {
    return [...this.#timers.keys()];
  }

  set(user: string, on: boolean): void {
    const known = this.#timers.has(user);
    clearTimeout(this.#timers.get(user));
    if (on)
      this.#timers.set(
        user,
        setTimeout(() => this.set(user, false), DIES_MS),
      );
    else this.#timers.delete(user);
    if (known !== on) this.#changed();
  }

  clear(): void {
    for (const user of this.users()) this.set(user, false);
  }
}
