import type { DownFrame } from '@gapless/protocol';
import type { WebSocketLike } from '../types.ts';
import type { Dialer, Transport, TransportEvents } from './transport.ts';

const SUBPROTOCOL = 'gapless.v1.json';
const OPEN = 1;

export type WebSocketClass = new (url: string, protocols?: string | string[]) => WebSocketLike;

export function webSocketDialer(origin: string, WebSocket: WebSocketClass): Dialer {
  const url = new URL('/ws?batch=1&pull=1', origin);
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  return { name: 'websocket', dial: (events) => dial(url.href, WebSocket, events) };
}

function dial(url: string, WebSocket: WebSocketClass, events: TransportEvents): Transport {
  let over = false;
  const end = (code: number, reason: string) => {
    if (over) return;
    over = true;
    events.onClose({ code, reason });
  };

  let socket: WebSocketLike;
  try {
    socket = new WebSocket(url, SUBPROTOCOL);
  } catch {
    // A browser refuses to dial, say for too many sockets.
    queueMicrotask(() => end(1006, 'refused'));
    return { send: () => false, close: () => void (over = true) };
  }
  socket.onopen = () => {
    if (!over) events.onOpen();
  };
  socket.onmessage = ({ data }) => {
    if (over) return;
    let parsed: DownFrame | DownFrame[];
    try {
      parsed = JSON.parse(data as string);
    } catch {
      socket.close();
      return end(1006, 'not JSON');
    }
    events.onFrames(Array.isArray(parsed) ? parsed : [parsed]);
  };
  socket.onclose = ({ code, reason }) => end(code, reason);
  // A close follows.
  socket.onerror = () => {};

  return {
    send(frame) {
      if (over || socket.readyState !== OPEN) return false;
      socket.send(JSON.stringify(frame));
      return true;
    },
    close(code) {
      over = true;
      socket.close(code);
    },
  };
}
