import type { Broker, Topic } from '@gapless/core';

export interface NodesVariant {
  /** Each call is another node of one cluster. Nobody else publishes there. */
  open(): Promise<Broker>;
  /** Of the server between them. Each resolves when it is so; the nodes find out by themselves. */
  outage?: { begin(): Promise<void>; end(): Promise<void> };
}

/** The nodes of one test. */
export class Nodes {
  readonly #variant: NodesVariant;
  readonly #brokers: Broker[] = [];
  #away = false;
  #closed = false;

  constructor(variant: NodesVariant) {
    this.#variant = variant;
  }

  static async open(variant: NodesVariant): Promise<Nodes> {
    const nodes = new Nodes(variant);
    await nodes.another();
    return nodes;
  }

  /** The first one. */
  get broker(): Broker {
    return this.#brokers[0]!;
  }

  async another(): Promise<Broker> {
    const broker = await this.#variant.open();
    this.#brokers.push(broker);
    return broker;
  }

  async beginOutage(): Promise<void> {
    this.#away = true;
    await this.#variant.outage!.begin();
  }

  async endOutage(): Promise<void> {
    await this.#variant.outage!.end();
    this.#away = false;
  }

  /** During an outage a subscription may reject when it lasts too long: then it is asked for again. */
  async subscribeAtLast(broker: Broker, topic: Topic, inbox: Inbox): Promise<() => void> {
    for (;;) {
      try {
        return await broker.subscribe(topic, inbox.take);
      } catch (error) {
        if (this.#closed) throw error;
      }
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all(this.#brokers.map((broker) => broker.close()));
    // A test that failed in the middle must not take the others with it.
    if (this.#away) await this.endOutage();
  }
}

export const room = (name: string): Topic => ({ kind: 'room', name });

export async function listen(broker: Broker, topic: Topic): Promise<Inbox> {
  const inbox = new Inbox();
  await broker.subscribe(topic, inbox.take);
  return inbox;
}

export class Inbox {
  readonly got: string[] = [];
  #wake: () => void = () => {};

  take = (payload: string): void => {
    this.got.push(payload);
    this.#wake();
  };

  /** Everything that came, once there are `count`. */
  async until(count: number): Promise<string[]> {
    while (this.got.length < count) await this.#more();
    return this.got;
  }

  async untilHas(payload: string): Promise<void> {
    while (!this.got.includes(payload)) await this.#more();
  }

  #more(): Promise<void> {
    return new Promise((resolve) => (this.#wake = resolve));
  }
}
