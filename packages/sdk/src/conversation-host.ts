import type { DownFrameOf, http, UpFrame } from '@gapless/protocol';
import type { LiveConversation } from './conversation.ts';
import type { SendQueue } from './send-queue.ts';
import type { HttpApi, Message } from './types.ts';

/** What a conversation needs of its client, and tells it. */
export interface ConversationHost {
  readonly http: HttpApi;
  readonly queue: SendQueue;
  userId(): string | undefined;
  /** False when not online. */
  send(frame: UpFrame): boolean;
  onMessage(message: Message): void;
  onChange(frame: DownFrameOf<'change'>): void;
  /** The newest message of the conversation, or a change of it: the list shows it. */
  onActivity(cid: string, message: http.Message): void;
  onDetailChanged(cid: string): void;
  onRead(cid: string, lastRead: number): void;
  /** `tellPositions` is called soon. */
  positionsChanged(conversation: LiveConversation): void;
}
