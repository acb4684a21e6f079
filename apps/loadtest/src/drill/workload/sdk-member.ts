import { type Client, type Conversation, createClient, GaplessError, type Message } from '@gapless/sdk';
import { marksOf } from '../../check/message-marks.ts';
import { bodyDigest } from '../../digest.ts';
import type { Member } from './member.ts';
import { recordedSocket } from './recorded-socket.ts';
import type { Recorder } from './recorder.ts';
import type { Route } from './route.ts';
import type { Shown } from './shown.ts';

/** Who uses the SDK, as apps do: it reconnects, resumes and sends again by itself. */
export class SdkMember implements Member {
  readonly recorder: Recorder;
  readonly #client: Client;
  readonly #conversation: Conversation;
  #open = 0;
  /** The newest seq that came as news. */
  #news = 0;
  readonly #problems: string[] = [];

  constructor({ user, token, recorder, route }: { user: string; token: string; recorder: Recorder; route: Route }) {
    this.recorder = recorder;
    this.#client = createClient({
      url: route.url,
      device: `${user}-1`,
      getToken: async () => token,
      transport: 'websocket',
      WebSocket: recordedSocket(recorder, route),
      fetch: (url, init) => fetch(route.to(String(url)), init),
    });
    this.#client.on('message', ({ seq = 0 }) => {
      if (seq <= this.#news) this.#problems.push(`the SDK showed ${user} seq ${seq} after ${this.#news}`);
      this.#news = seq;
    });
    this.#conversation = this.#client.conversation(recorder.cid);
  }

  get settled(): boolean {
    return this.#open === 0;
  }

  enter(): Promise<void> {
    this.#client.connect();
    this.#conversation.open();
    return new Promise((resolve) => {
      const look = () => {
        if (!this.#conversation.getSnapshot().loaded) return;
        stop();
        resolve();
      };
      const stop = this.#conversation.subscribe(look);
      look();
    });
  }

  say(text: string): void {
    this.#open++;
    this.#conversation
      .send({ body: { text } })
      .catch((error: unknown) => {
        const code = error instanceof GaplessError ? error.code : String(error);
        if (code !== 'closed') this.#problems.push(`a send of the SDK failed for good: ${code}`);
      })
      .finally(() => this.#open--);
  }

  shows(head: number): boolean {
    const { loaded } = this.#conversation.getSnapshot();
    return loaded && (this.#numbered().at(-1)?.seq ?? 0) >= head;
  }

  shown(): Shown[] {
    return this.#numbered().map(({ seq, mid, from, kind, body }) => ({ seq, mid, from, h: bodyDigest(body), ...marksOf({ from, kind }) }));
  }

  /** What waits for its number stands behind these. */
  #numbered(): (Message & { seq: number })[] {
    return this.#conversation.getSnapshot().messages.filter((message): message is Message & { seq: number } => message.seq !== undefined);
  }

  problems(): string[] {
    return this.#problems;
  }

  close(): void {
    this.#client.close();
  }
}
