import type { IncomingMessage } from 'node:http';
import { FRAGMENTS_MAX, FRAME_MAX_BYTES } from '@gapless/protocol';
import { type RawData, type ServerOptions, WebSocket, WebSocketServer } from 'ws';
import { PING, pong } from './frame.ts';
import { SocketWriter } from './socket-writer.ts';
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
  #writer!: SocketWriter;

  protected attach(request: IncomingMessage): void {
    this.#writer = new SocketWriter(request.socket, onTaken.bind(this));
    this.on('message', onMessage).on('pong', onSign).on('ping', onPing).on('error', onError).on('close', onClose);
  }

  abstract receive(data: Buffer, binary: boolean): void;
  /** A sign of life that is no frame. */
  abstract seen(): void;
  abstract ended(): void;
  /** The kernel took bytes that had waited. */
  abstract drained(): void;

  get bufferedBytes(): number {
    return this.#writer.unsentBytes;
  }

  get takenBytes(): number {
    return this.#writer.takenBytes;
  }

  write(bytes: Buffer): void {
    if (this.readyState === WebSocket.OPEN) this.#writer.write(bytes);
  }

  override ping(): void {
    this.write(PING);
  }

  /** The library writes its close frame to the socket itself, also when the peer's asks for it: never into the middle of one of ours. */
  override close(code?: number, reason?: string | Buffer): void {
    this.#writer.handOver();
    super.close(code, reason);
  }

  pauseReading(): void {
    this.pause();
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
    // Pongs go through our writer, behind what waits.
    autoPong: false,
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

function onPing(this: WebSocket, data: Buffer): void {
  (this as LiveSocket).seen();
  (this as LiveSocket).write(pong(data));
}

/** The library closes with the right code (1002, 1007, 1009); there is nothing to add. */
function onError(): void {}

function onClose(this: WebSocket): void {
  (this as LiveSocket).ended();
}

function onTaken(this: LiveSocket): void {
  this.drained();
}
