/** A node on the bus. */
export interface MemoryBusNode {
  has(key: string): boolean;
  take(key: string, payload: string): void;
  /** The bus was broken and is mended. */
  restored(): void;
}

/** What connects the memory brokers of one process: the transport of a cluster in tests, which may lose messages and break. */
export class MemoryBus {
  readonly #nodes = new Set<MemoryBusNode>();
  #queue: { key: string; payload: string }[] = [];
  #share = 0;
  #random: () => number = () => 1;
  #mended: PromiseWithResolvers<void> | undefined;

  /** Of what is published from here on each node misses this share (0 to 1), each another one. */
  lose(share: number, random: () => number): void {
    this.#share = share;
    this.#random = random;
  }

  /** Publications and checks reject, and what is under way is lost; until `mend`. */
  break(): void {
    this.#queue = [];
    this.#mended ??= Promise.withResolvers();
  }

  mend(): void {
    if (this.#mended === undefined) return;
    this.#mended.resolve();
    this.#mended = undefined;
    for (const node of [...this.#nodes]) node.restored();
  }

  get broken(): boolean {
    return this.#mended !== undefined;
  }

  async mended(): Promise<void> {
    await this.#mended?.promise;
  }

  check(): void {
    if (this.broken) throw new Error('the bus is broken');
  }

  publish(key: string, payload: string): void {
    this.check();
    // Most topics have no listener at all, and nothing to wait for.
    for (const node of this.#nodes) {
      if (!node.has(key)) continue;
      if (this.#queue.push({ key, payload }) === 1) queueMicrotask(() => this.#deliver());
      return;
    }
  }

  /** Returns a function that takes the node off the bus. */
  join(node: MemoryBusNode): () => void {
    this.#nodes.add(node);
    return () => this.#nodes.delete(node);
  }

  #deliver(): void {
    const batch = this.#queue;
    this.#queue = [];
    for (const { key, payload } of batch) {
      if (this.broken) return;
      for (const node of [...this.#nodes]) if (this.#random() >= this.#share) node.take(key, payload);
    }
  }
}
