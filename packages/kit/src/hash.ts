/** FNV-1a, 32 bits unsigned: spreads ids evenly, the same on every node. Not for what somebody may want to collide. */
export function hashOf(text: string): number {
  let value = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) value = Math.imul(value ^ text.charCodeAt(i), 0x01000193);
  return value >>> 0;
}
