/**
 * Who is in which room and who sends. Client `i` is in room `i / roomSize`; the first `sendersPerRoom` of a room send. Messages are
 * numbered 0, 1, 2 …, and message `k` is sent by sender `k % senders`: from its number everybody knows its sender, its room and, with the
 * rate, when it was to be sent.
 */
export interface Layout {
  readonly rooms: number;
  readonly roomSize: number;
  readonly sendersPerRoom: number;
}

export const clientsOf = ({ rooms, roomSize }: Layout): number => rooms * roomSize;
export const sendersOf = ({ rooms, sendersPerRoom }: Layout): number => rooms * sendersPerRoom;
export const roomOf = ({ roomSize }: Layout, client: number): number => Math.floor(client / roomSize);

/** The client that sends message `k`. */
export function senderOf(layout: Layout, k: number): number {
  const sender = k % sendersOf(layout);
  return Math.floor(sender / layout.sendersPerRoom) * layout.roomSize + (sender % layout.sendersPerRoom);
}

/** Clients are dealt out to the generator's threads like cards. */
export const threadOf = (client: number, threads: number): number => client % threads;
