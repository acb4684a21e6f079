import type { Recorder } from './recorder.ts';
import type { Shown } from './shown.ts';

/** One user of one conversation, who never gives up. */
export interface Member {
  readonly recorder: Recorder;
  /** Resolves when it is online and in the conversation. */
  enter(): Promise<void>;
  /** Says something, now or as soon as it can. */
  say(text: string): void;
  /** All it said is saved, by the server's own word. */
  readonly settled: boolean;
  /** Whether what its user sees reaches up to that seq; a bare client shows nothing, and is never behind with it. */
  shows(head: number): boolean;
  /** What its user sees in the end, in the order of the screen; undefined for a bare client. */
  shown(): Shown[] | undefined;
  /** What no app should see, a line each: a send that failed for good, a message shown twice. */
  problems(): string[];
  close(): void;
}
