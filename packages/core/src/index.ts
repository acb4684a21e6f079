export * from './accounts.ts';
export * from './auth.ts';
export * from './chat.ts';
export * from './cluster/index.ts';
export { type ChatDeps, createChat } from './create-chat.ts';
export { Directory, type Known, type Member } from './directory.ts';
export { ChatError, type ChatErrorOptions } from './errors.ts';
export {
  type Committed,
  type CommittedEntry,
  type CommittedListener,
  committedEntry,
  type KnownRev,
  type Receipt,
  type SavedRev,
} from './events.ts';
export * from './model.ts';
export { OwnReads, type OwnReadsDeps, type OwnReadsLimits } from './own-reads.ts';
export * from './ports/accept-log.ts';
export * from './ports/accept-store.ts';
export type { Broker, BrokerWatch, Topic, TopicListener } from './ports/broker.ts';
export type { CloudEvent, EventBus } from './ports/bus.ts';
export type { FeedRow, LogFeed } from './ports/feed.ts';
export { type Log, silentLog } from './ports/log.ts';
export type { Presence, PresenceState } from './ports/presence.ts';
export * from './ports/store.ts';
export * from './render.ts';
export * from './replay.ts';
export { SendLimits } from './send-limits.ts';
export { addressBlock, Throttle, type ThrottleRule } from './throttle.ts';
export * from './two-phase/index.ts';
export { Writer, type WriterLimits, type WriterOptions } from './writer.ts';
