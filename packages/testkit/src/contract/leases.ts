import type { Store } from '@gapless/core';
import { expect } from 'vitest';
import type { Cases } from './contract.ts';
import { until } from './feed-reader.ts';

const HOUR_MS = 3_600_000;

/** Time-limited rights, of which one holder has each. */
export function leaseCases(reopen: (() => Promise<Store>) | undefined): Cases<Store> {
  return {
    async 'a lease has one holder while it lasts, and a lease of another name its own'(store) {
      expect(await store.acquireLease('l1', 'n1', HOUR_MS)).toBe(true);
      expect(await store.acquireLease('l1', 'n2', HOUR_MS)).toBe(false);
      expect(await store.acquireLease('l2', 'n2', HOUR_MS)).toBe(true);
      expect(await store.acquireLease('l1', 'n1', HOUR_MS)).toBe(true);
      expect(await store.acquireLease('l2', 'n1', HOUR_MS)).toBe(false);
    },

    async 'a released lease is free; who does not hold it releases nothing'(store) {
      await store.releaseLease('l1', 'n1');
      await store.acquireLease('l1', 'n1', HOUR_MS);
      await store.releaseLease('l1', 'n2');
      expect(await store.acquireLease('l1', 'n2', HOUR_MS)).toBe(false);
      await store.releaseLease('l1', 'n1');
      await store.releaseLease('l1', 'n1');
      expect(await store.acquireLease('l1', 'n2', HOUR_MS)).toBe(true);
      await store.releaseLease('l1', 'n1');
      expect(await store.acquireLease('l1', 'n1', HOUR_MS)).toBe(false);
    },

    async 'a lease that ended is another’s for the taking, and who had it saves nothing more'(store) {
      const save = (id: number, holder: string) => store.saveCursor('bus', 0, { id, lease: 'l1', holder });
      await store.acquireLease('l1', 'n1', 50);
      await until(() => store.acquireLease('l1', 'n2', HOUR_MS));
      expect([await save(1, 'n1'), await save(2, 'n2')]).toEqual([false, true]);
      expect(await store.acquireLease('l1', 'n1', HOUR_MS)).toBe(false);
      await store.releaseLease('l1', 'n1');
      expect(await store.acquireLease('l1', 'n1', HOUR_MS)).toBe(false);
      expect(await store.cursor('bus', 0)).toBe(2);
    },

    async 'a lease that ended is no right to save, though nobody took it'(store) {
      await store.acquireLease('l1', 'n1', 50);
      await until(async () => !(await store.saveCursor('bus', 0, { id: 1, lease: 'l1', holder: 'n1' })));
      expect(await store.acquireLease('l1', 'n1', HOUR_MS)).toBe(true);
      expect(await store.saveCursor('bus', 0, { id: 2, lease: 'l1', holder: 'n1' })).toBe(true);
    },

    async 'a renewed lease lasts longer than the first would have'(store) {
      await store.acquireLease('l1', 'n1', 150);
      await store.acquireLease('l1', 'n1', HOUR_MS);
      // It was taken later and lasts as long: when it has ended, the first one would have.
      await store.acquireLease('mark', 'n1', 150);
      await until(() => store.acquireLease('mark', 'n2', HOUR_MS));
      expect(await store.acquireLease('l1', 'n2', HOUR_MS)).toBe(false);
    },

    async 'of many that race for a lease exactly one gets it, a free one and one that ended'(store) {
      const nodes = store.capabilities.multiProcess ? [store, await reopen!()] : [store];
      try {
        for (let round = 0; round < 20; round++) {
          const name = `l${round}`;
          if (round % 2 === 1) await store.acquireLease(name, 'before', 1);
          const winners = await until(async () => {
            const race = Array.from({ length: 8 }, (_, i) => nodes[i % nodes.length]!.acquireLease(name, `n${i}`, HOUR_MS));
            const won = (await Promise.all(race)).filter((got) => got).length;
            return won > 0 && won;
          });
          expect(winners).toBe(1);
        }
      } finally {
        for (const node of nodes.slice(1)) await node.close();
      }
    },
  };
}
