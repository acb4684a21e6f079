/** Parts of a Redis Cluster's key space. */
export const SLOTS = 16_384;

/** The slot of a channel, as every Redis Cluster counts it: CRC16 of what is between the first braces, or of all of it. */
export function slotOf(channel: string): number {
  const tag = /^[^{]*\{([^}]+)\}/.exec(channel)?.[1];
  return crc16(Buffer.from(tag ?? channel)) % SLOTS;
}

/** CRC-16/XMODEM. */
function crc16(bytes: Uint8Array): number {
  let crc = 0;
  for (const byte of bytes) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit++) crc = crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1;
  }
  return crc & 0xffff;
}
