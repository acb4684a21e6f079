import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { FRAGMENTS_MAX, FRAME_MAX_BYTES } from '@gapless/protocol';
import { type RawData, type ServerOptions, WebSocket, WebSocketServer } from 'ws';
import { PING } from './frame.ts';
import type { Upgrade } from './upgrade.ts';

/** How long a peer may take to answer a close before the socket is torn down. */
const CLOSE_TIMEOUT_MS = 2_000;

/** Chunks of one message that wait for the rest; bounds what a slow sender of small pieces pins. */
const BUFFERED_CHUNKS_MAX = 256;

/**
 * A WebSocket that is its own transport: the library parses and does the handshakes of open and close, frames are written to the
 * socket as they come from us. Listeners are shared functions, so that an idle connection holds no closures.
 */
export abstract class LiveSocket extends WebSocket {
  protected raw!: Socket;

  protected attach(request: IncomingMessage): void {
    this.raw = request.socket;
    this.on('message', onMessage).on('pong', onSign).on('ping', onSign).on('error', onError).on('close', onClose);
    this.raw.on('drain', onDrain.bind(this));
  }

  abstract receive(data: Buffer, binary: boolean): void;
  /** A sign of life that is no frame. */
  abstract seen(): void;
  abstract ended(): void;
  /** The kernel took everything. */
  abstract drained(): void;

  get bufferedBytes(): number {
    return this.raw.writableLength;
  }

  write(bytes: Buffer): void {
    if (this.readyState === WebSocket.OPEN) this.raw.write(bytes);
  }

  override ping(): void {
    this.write(PING);
  }

  resumeReading(): void {
    this.resume();
  }
}

/** Makes sockets of one class out of upgrades, with the limits that all have. */
export function acceptAs<T extends typeof WebSocket>(
  socketClass: T,
  handleProtocols: (offered: Set<string>) => string | false,
): (upgrade: Upgrade, start: (socket: InstanceType<T>) => void) => void {
  const options: ServerOptions<T> & { closeTimeout: number; maxFragments: number; maxBufferedChunks: number } = {
    noServer: true,
    clientTracking: false,
    // Each context would cost 100 KB and more; text this short gains little.
    perMessageDeflate: false,
    maxPayload: FRAME_MAX_BYTES,
    maxFragments: FRAGMENTS_MAX,
    maxBufferedChunks: BUFFERED_CHUNKS_MAX,
    closeTimeout: CLOSE_TIMEOUT_MS,
    WebSocket: socketClass,
    handleProtocols,
  };
  const wss = new WebSocketServer(options);
  return ({ request, socket, head }, start) => wss.handleUpgrade(request, socket, head, (ws) => start(ws as InstanceType<T>));
}

function onMessage(this: WebSocket, data: RawData, binary: boolean): void {
  (this as LiveSocket).receive(data as Buffer, binary);
}

function onSign(this: WebSocket): void {
  (this as LiveSocket).seen();
}

/** The library closes with the right code (1002, 1007, 1009); there is nothing to add. */
function onError(): void {}

function onClose(this: WebSocket): void {
  (this as LiveSocket).ended();
}

function onDrain(this: LiveSocket): void {
  this.drained();
}
