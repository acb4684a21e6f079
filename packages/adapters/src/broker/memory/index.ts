import type { Broker, Topic, TopicListener } from '@gapless/core';

/** A broker of one process. Listeners are called in a microtask: never inside `publish`, and what they publish themselves comes after. */
export function openMemoryBroker(): Broker {
  const topics = new Map<string, Set<TopicListener>>();
  let queue: { key: string; payload: string }[] = [];
  let closed = false;

  function deliver(): void {
    const batch = queue;
    queue = [];
    for (const { key, payload } of batch) {
      // A listener that is added meanwhile came after the publication, and a set would still visit it.
      for (const listener of [...(topics.get(key) ?? [])]) if (topics.get(key)?.has(listener)) listener(payload);
    }
  }

  return {
    capabilities: { multiProcess: false },

    async publish(topic, payload) {
      if (closed) throw new Error('the broker is closed');
      const key = keyOf(topic);
      if (!topics.has(key)) return;
      if (queue.push({ key, payload }) === 1) queueMicrotask(deliver);
    },

    async subscribe(topic, listener) {
      if (closed) throw new Error('the broker is closed');
      const key = keyOf(topic);
      // One of its own for each call: the same function may listen twice.
      const own: TopicListener = (payload) => listener(payload);
      const listeners = topics.get(key);
      if (listeners === undefined) topics.set(key, new Set([own]));
      else listeners.add(own);
      return () => {
        const left = topics.get(key);
        left?.delete(own);
        if (left?.size === 0) topics.delete(key);
      };
    },

    async close() {
      closed = true;
      topics.clear();
      queue = [];
    },
  };
}

function keyOf({ kind, name }: Topic): string {
  return `${kind}:${name}`;
}
