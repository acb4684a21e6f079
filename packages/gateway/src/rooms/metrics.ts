import type { RoomClose } from './closes.ts';
import type { RoomError } from './envelope.ts';
import type { OverflowPolicy } from './send-queue.ts';

/** What rooms count; the server gives it a registry. */
export interface RoomMetrics {
  connectionOpened(): void;
  connectionClosed(reason: RoomClose | 'client'): void;
  /** A connection joined a room. */
  joined(): void;
  left(): void;
  /** Of a closed set: a type of the dialect, or `other`. */
  frameIn(type: string): void;
  /** Messages and notices written to a connection; replies are not counted. */
  delivered(count: number): void;
  dropped(policy: OverflowPolicy): void;
  errorOut(message: RoomError): void;
}
