import { createRequire } from 'node:module';
import { type WebSocket, WebSocketServer } from 'ws';
import { sayReady } from './ready.ts';

// The least that a chat server on ws can do: what comes in goes out to the room, as it is. Nothing is numbered, answered or stored.

/** The bytes that came, as a text frame: a string would be encoded again for each member. */
const AS_TEXT = { binary: false };
const rooms = new Map<string, Set<WebSocket>>();
const wss = new WebSocketServer({ port: 0, host: '127.0.0.1', backlog: 4_096, perMessageDeflate: false });

wss.on('connection', (ws) => {
  ws.on('message', (raw) => {
    const message = JSON.parse(raw.toString());
    if (message.t === 'join') {
      const members = rooms.get(message.cid) ?? new Set();
      rooms.set(message.cid, members.add(ws));
      ws.send(JSON.stringify({ t: 'joined', cid: message.cid }));
    } else for (const member of rooms.get(message.cid)!) member.send(raw, AS_TEXT);
  });
});

wss.on('listening', () => sayReady(wss.address(), createRequire(import.meta.url)('ws/package.json').version));
