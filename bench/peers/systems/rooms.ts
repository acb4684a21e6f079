import type { Target } from '../generator/client.ts';
import { clientsOf, type Layout, roomOf } from '../layout.ts';

/** For servers without users: rooms are called r0, r1, …, and everybody may join. */
export function openTargets(layout: Layout, port: number): Target[] {
  return Array.from({ length: clientsOf(layout) }, (_, client) => ({ port, cid: `r${roomOf(layout, client)}` }));
}
