import type { Broker, BrokerWatch, Topic, TopicListener } from '@gapless/core';
import { MemoryBus } from './bus.ts';

export { MemoryBus } from './bus.ts';

/** As other brokers have it by default, so that what fits here fits there. */
const PAYLOAD_MAX_BYTES = 1_000_000;

/**
 * A broker of one process; several on one bus are several nodes. Listeners are called in a microtask: never inside `publish`, and what
 * they publish themselves comes after.
 */
export function openMemoryBroker({ bus = new MemoryBus() }: { bus?: MemoryBus } = {}): Broker {
  const topics = new Map<string, Set<TopicListener>>();
  const watches = new Set<BrokerWatch>();
  const { promise: closing, reject: close } = Promise.withResolvers<never>();
  closing.catch(() => {});
  let closed = false;

  const leave = bus.join({
    has: (key) => topics.has(key),
    take(key, payload) {
      // A listener that is added meanwhile came after the publication, and a set would still visit it.
      for (const listener of [...(topics.get(key) ?? [])]) if (topics.get(key)?.has(listener)) listener(payload);
    },
    restored() {
      for (const watch of watches) watch.restored?.();
    },
  });

  function refuseClosed(): void {
    if (closed) throw new Error('the broker is closed');
  }

  return {
    capabilities: { multiProcess: false, payloadMaxBytes: PAYLOAD_MAX_BYTES },

    async publish(topic, payload) {
      refuseClosed();
      if (Buffer.byteLength(payload) > PAYLOAD_MAX_BYTES) throw new RangeError(`a payload of more than ${PAYLOAD_MAX_BYTES} bytes`);
      bus.publish(keyOf(topic), payload);
    },

    async subscribe(topic, listener) {
      refuseClosed();
      const key = keyOf(topic);
      // One of its own for each call: the same function may listen twice.
      const own: TopicListener = (payload) => listener(payload);
      const listeners = topics.get(key);
      if (listeners === undefined) topics.set(key, new Set([own]));
      else listeners.add(own);
      if (bus.broken) await Promise.race([bus.mended(), closing]);
      return () => {
        const left = topics.get(key);
        left?.delete(own);
        if (left?.size === 0) topics.delete(key);
      };
    },

    watch(watch) {
      const own = { ...watch };
      watches.add(own);
      return () => watches.delete(own);
    },

    async check() {
      refuseClosed();
      bus.check();
    },

    async close() {
      closed = true;
      leave();
      topics.clear();
      watches.clear();
      close(new Error('the broker is closed'));
    },
  };
}

function keyOf({ kind, name }: Topic): string {
  return `${kind}:${name}`;
}
