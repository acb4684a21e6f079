import { createServer } from 'node:http';
import type { Socket } from 'node:net';
import { sayReady } from './ready.ts';

// No chat server: what a client sends goes to its room without being looked at, framed once, straight into the sockets. What the machine,
// Node's sockets and the generator can do at most. Given a number of ms, all that came meanwhile goes in one write.

const tickMs = Number(process.argv[2] ?? 0);
const OPCODE_TEXT = 1;
const MASK_BYTES = 4;
const JOIN = /^\{"t":"join","cid":"([^"]+)"\}$/;
const JOINED = framed(Buffer.from('{"t":"joined"}'));

class Room {
  readonly members: Socket[] = [];
  #waiting: Buffer[] = [];

  broadcast(frame: Buffer): void {
    if (tickMs === 0) return this.#write(frame);
    if (this.#waiting.push(frame) === 1) setTimeout(() => this.#write(Buffer.concat(this.#waiting.splice(0))), tickMs);
  }

  #write(bytes: Buffer): void {
    for (const member of this.members) member.write(bytes);
  }
}

const rooms = new Map<string, Room>();
const http = createServer();

http.on('upgrade', (_request, socket: Socket) => {
  socket.setNoDelay(true);
  socket.on('error', () => socket.destroy());
  socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n');
  let room: Room | undefined;
  let rest: Buffer = Buffer.alloc(0);
  socket.on('data', (chunk: Buffer) => {
    const data = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    let at = 0;
    for (let end = frameEnd(data, at); end !== -1; at = end, end = frameEnd(data, at)) {
      if ((data[at]! & 15) !== OPCODE_TEXT) continue;
      const payload = data.subarray(at + headerBytes(data, at), end);
      if (room === undefined) room = join(socket, JOIN.exec(payload.toString())![1]!);
      else room.broadcast(framed(payload));
    }
    rest = data.subarray(at);
  });
});

function join(socket: Socket, cid: string): Room {
  const room = rooms.get(cid) ?? new Room();
  rooms.set(cid, room);
  room.members.push(socket);
  socket.write(JOINED);
  return room;
}

/** With the mask, which the generator leaves zero. */
function headerBytes(data: Buffer, at: number): number {
  return ((data[at + 1]! & 127) === 126 ? 4 : 2) + MASK_BYTES;
}

/** -1: it is not all there. */
function frameEnd(data: Buffer, at: number): number {
  if (data.length - at < 4) return -1;
  const short = data[at + 1]! & 127;
  const end = at + headerBytes(data, at) + (short === 126 ? data.readUInt16BE(at + 2) : short);
  return end > data.length ? -1 : end;
}

function framed(payload: Buffer): Buffer {
  const { length } = payload;
  const header =
    length < 126 ? Buffer.from([0x80 | OPCODE_TEXT, length]) : Buffer.from([0x80 | OPCODE_TEXT, 126, length >> 8, length & 255]);
  return Buffer.concat([header, payload]);
}

http.listen(0, '127.0.0.1', 4_096, () => sayReady(http.address(), `Node ${process.versions.node}`));
