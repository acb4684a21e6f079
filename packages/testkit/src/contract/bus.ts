import type { CloudEvent, EventBus } from '@gapless/core';
import { expect } from 'vitest';
import { range, T0 } from './commands.ts';
import { contract, type Skip } from './contract.ts';

/** An event as a reader of the server itself sees it. */
export interface BusRecord {
  readonly event: CloudEvent;
  readonly contentType: string | undefined;
}

export interface BusVariant {
  /** On a server that nobody else uses meanwhile. */
  open(): Promise<EventBus>;
  /** Everything of that source that is on the server, in its order, once there are `count` different events. By a reader of its own. */
  read(source: string, count: number): Promise<readonly BusRecord[]>;
  /** The server behind it. */
  readonly server: () => BusServer;
}

export interface BusServer {
  kill(): Promise<void>;
  start(): Promise<void>;
  pause(): void;
  resume(): void;
}

/** What every EventBus must do. */
export function busContract(name: string, { open, read, server }: BusVariant, skip: readonly Skip[] = []): void {
  contract(`EventBus / ${name}`, open, skip, {
    async 'an event is there as it was published'(bus) {
      const source = newSource();
      const data = { cid: 'c1', seq: 1, body: { text: 'Grüße 你好 👋 \u0000 \ud800' }, nested: [null, 1e21, true, {}] };
      const event = { ...eventOf(source, 'c1', 1), data };
      await bus.publish([event]);
      expect(await read(source, 1)).toEqual([{ event, contentType: 'application/cloudevents+json' }]);
    },

    async 'events of a conversation stay in order, within a publication and from one to the next'(bus) {
      const source = newSource();
      const keys = range(20).map((i) => `c${i}`);
      for (const turn of range(5, 0)) {
        await bus.publish(range(20, turn * 20 + 1).flatMap((rev) => keys.map((key) => eventOf(source, key, rev))));
      }
      const records = await read(source, 2_000);
      for (const key of keys) expect(revsOf(records, key)).toEqual(range(100));
    },

    async 'one conversation alone stays in order too'(bus) {
      const source = newSource();
      await bus.publish(range(300).map((rev) => eventOf(source, 'c1', rev)));
      expect(revsOf(await read(source, 300), 'c1')).toEqual(range(300));
    },

    async 'publications at the same time do not mix up their conversations'(bus) {
      const source = newSource();
      const keys = range(16).map((i) => `c${i}`);
      await Promise.all(keys.map((key) => bus.publish(range(50).map((rev) => eventOf(source, key, rev)))));
      const records = await read(source, 800);
      for (const key of keys) expect(revsOf(records, key)).toEqual(range(50));
    },

    async 'what is published again is the same event, and not before others'(bus) {
      const source = newSource();
      const events = range(10).map((rev) => eventOf(source, 'c1', rev));
      await bus.publish(events);
      await bus.publish(events);
      await bus.publish([...events, eventOf(source, 'c1', 11)]);
      const records = await read(source, 11);
      expect(firstRevsOf(records, 'c1')).toEqual(range(11));
      for (const { event } of records) expect(event).toEqual(eventOf(source, 'c1', Number(event.sequence)));
    },

    async 'a batch of large events goes through'(bus) {
      const source = newSource();
      const large = (rev: number) => ({ ...eventOf(source, `c${rev % 3}`, rev), data: { text: 'x'.repeat(64_000) } });
      await bus.publish(range(200).map(large));
      expect(await read(source, 200)).toHaveLength(200);
    },

    async 'publishing nothing is nothing'(bus) {
      await bus.publish([]);
    },

    async 'a bus that can be reached says so'(bus) {
      await expect(bus.check()).resolves.toBeUndefined();
      await expect(bus.check()).resolves.toBeUndefined();
    },

    async 'after close nothing is taken, and closing again is nothing'(bus) {
      await bus.publish([eventOf(newSource(), 'c1', 1)]);
      await bus.close();
      await bus.close();
      await expect(bus.publish([eventOf(newSource(), 'c1', 1)])).rejects.toThrow();
      await expect(bus.check()).rejects.toThrow();
    },

    async 'while the server is away publishing rejects; when it is back all goes on by itself'(bus) {
      const source = newSource();
      await bus.publish([eventOf(source, 'c1', 1)]);
      await server().kill();
      await expect(bus.publish([eventOf(source, 'c1', 2)])).rejects.toThrow();
      await expect(bus.check()).rejects.toThrow();
      await server().start();
      await untilPublished(bus, [eventOf(source, 'c1', 2)]);
      await expect(bus.check()).resolves.toBeUndefined();
      expect(firstRevsOf(await read(source, 2), 'c1')).toEqual([1, 2]);
    },

    async 'a bus that is opened while the server is away works when it is there'() {
      const source = newSource();
      await server().kill();
      const bus = await open();
      try {
        await expect(bus.publish([eventOf(source, 'c1', 1)])).rejects.toThrow();
        await server().start();
        await untilPublished(bus, [eventOf(source, 'c1', 1)]);
        expect(firstRevsOf(await read(source, 1), 'c1')).toEqual([1]);
      } finally {
        await server().start();
        await bus.close();
      }
    },

    async 'a server that stands still: publishing rejects, and what is repeated comes in order'(bus) {
      const source = newSource();
      const keys = range(5).map((i) => `c${i}`);
      const batch = (from: number) => range(20, from).flatMap((rev) => keys.map((key) => eventOf(source, key, rev)));
      await bus.publish(batch(1));
      server().pause();
      try {
        await expect(bus.publish(batch(21))).rejects.toThrow();
      } finally {
        server().resume();
      }
      await untilPublished(bus, batch(21));
      await untilPublished(bus, batch(41));
      const records = await read(source, 300);
      for (const key of keys) expect(firstRevsOf(records, key)).toEqual(range(60));
    },

    async 'killed in the middle and started again: nothing that was acknowledged is missing, and all first appearances are in order'(bus) {
      const source = newSource();
      const keys = range(7).map((i) => `c${i}`);
      const turns = 60;
      const outage = (async () => {
        for (const _ of range(2)) {
          await server().kill();
          await server().start();
        }
      })();
      for (const turn of range(turns, 0)) {
        const events = range(10, turn * 10 + 1).flatMap((rev) => keys.map((key) => eventOf(source, key, rev)));
        await untilPublished(bus, events);
      }
      await outage;
      await untilPublished(bus, [eventOf(source, 'last', 1)]);
      const records = await read(source, keys.length * turns * 10 + 1);
      for (const key of keys) expect(firstRevsOf(records, key)).toEqual(range(turns * 10));
    },
  });
}

let sources = 0;
/** What sets the events of one test apart from those of the others on the same server. */
function newSource(): string {
  return `/test/${process.pid}/${++sources}`;
}

function eventOf(source: string, key: string, rev: number): CloudEvent {
  return {
    specversion: '1.0',
    id: `${key}:${rev}`,
    source,
    type: rev % 2 === 0 ? 'message.created' : 'member.added',
    subject: key,
    time: new Date(T0 + rev).toISOString(),
    datacontenttype: 'application/json',
    partitionkey: key,
    sequence: String(rev).padStart(20, '0'),
    data: { rev },
  };
}

/** As the relay does: all again from the first, until it goes through. */
async function untilPublished(bus: EventBus, events: readonly CloudEvent[]): Promise<void> {
  for (;;) {
    try {
      return await bus.publish(events);
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

function revsOf(records: readonly BusRecord[], key: string): number[] {
  return records.filter(({ event }) => event.partitionkey === key).map(({ event }) => Number(event.sequence));
}

function firstRevsOf(records: readonly BusRecord[], key: string): number[] {
  return [...new Set(revsOf(records, key))];
}
