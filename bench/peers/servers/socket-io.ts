import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { Server } from 'socket.io';
import { sayReady } from './ready.ts';

// Socket.IO at its best: WebSocket only, no compression, nothing stored, one emit to the room for each message.

const http = createServer();
const io = new Server(http, { transports: ['websocket'], perMessageDeflate: false, httpCompression: false, serveClient: false });

// What its guide on memory advises: the request of the handshake is not kept.
io.engine.on('connection', (raw: { request: unknown }) => {
  raw.request = null;
});

io.on('connection', (socket) => {
  socket.on('join', (cid: string) => {
    socket.join(cid);
    socket.emit('joined', cid);
  });
  socket.on('msg', (message: { cid: string }) => io.to(message.cid).emit('msg', message));
});

http.listen(0, '127.0.0.1', 4_096, () => sayReady(http.address(), createRequire(import.meta.url)('socket.io/package.json').version));
