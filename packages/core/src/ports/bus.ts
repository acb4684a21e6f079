/** CloudEvents 1.0, structured JSON, with the extensions `partitionkey` and `sequence`. */
export interface CloudEvent {
  readonly specversion: '1.0';
  /** Unique with `source`; the same when it is published again: consumers drop what they have seen. */
  readonly id: string;
  readonly source: string;
  /** `message.created`, `conversation.created`, `conversation.updated`, `member.added`, `member.removed`. */
  readonly type: string;
  /** The conversation. */
  readonly subject: string;
  /** RFC 3339. */
  readonly time: string;
  readonly datacontenttype: 'application/json';
  /** The conversation: events of one stay in order. */
  readonly partitionkey: string;
  /** Place in the conversation: its rev as 20 digits, so that it sorts as text. */
  readonly sequence: string;
  readonly data: unknown;
}

/** Durable event bus, for what is built on top of the chat. Fed by the relay only. */
export interface EventBus {
  /** Durable on the bus when it resolves, those of a `partitionkey` in their order. When it rejects, some may be there: publish all again. */
  publish(events: readonly CloudEvent[]): Promise<void>;
  /** Rejects unless it can be reached now. */
  check(): Promise<void>;
  /** Safe to call twice. */
  close(): Promise<void>;
}
