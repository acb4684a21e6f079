import type { HistoryEvent } from '@gapless/loadtest';
import type { DownFrame, UpFrame } from '@gapless/protocol';
import { type Client, createClient, type OutboxItem, type OutboxStorage } from '@gapless/sdk';
import { fetchOf } from './api.ts';
import type { Line } from './line.ts';
import type { Network, Reader } from './network.ts';
import { tokenFor } from './node.ts';
import { Recorder } from './recorder.ts';
import type { SimProcess, World } from './world.ts';

export interface DeviceOptions {
  world: World;
  network: Network;
  uid: string;
  name: string;
  events: HistoryEvent[];
  problems: string[];
  readBy: (uid: string, cid: string) => number;
  /** How long its tokens are good. */
  tokenMs: number;
  sendWindow: number;
}

/** One installation of the app: the SDK, a disk with unsent messages, and somebody who uses it. It may be killed and started again. */
export class Device implements Reader {
  readonly uid: string;
  readonly name: string;
  process: SimProcess;
  offline = false;
  bytesPerMs = Number.POSITIVE_INFINITY;
  recorder: Recorder;
  client: Client | undefined;
  /** Conversations that are on the screen. */
  readonly opened = new Set<string>();
  /** Its user read so far, by cid, and it was told so. */
  readonly hasRead = new Map<string, number>();
  skewMs = 0;
  #line: Line | undefined;
  #lives = 0;
  #sent = 0;
  readonly #disk = new Map<string, OutboxItem>();
  readonly #options: DeviceOptions;

  constructor(options: DeviceOptions) {
    this.#options = options;
    this.uid = options.uid;
    this.name = options.name;
    this.process = options.world.spawn(this.name);
    this.process.alive = false;
    this.recorder = this.#newRecorder();
  }

  get running(): boolean {
    return this.client !== undefined && this.process.alive;
  }

  /** Messages on its disk that are neither known to be saved nor refused. */
  get unsent(): string[] {
    return [...this.#disk.values()].filter(({ failed }) => failed === undefined).map(({ mid }) => mid);
  }

  start(): void {
    const { world, network, uid, tokenMs, sendWindow } = this.#options;
    this.process = world.spawn(`${this.name}.${++this.#lives}`, { skewMs: this.skewMs });
    this.recorder = this.#newRecorder();
    this.hasRead.clear();
    world.in(this.process, 0, () => {
      world.note(() => 'starts');
      this.client = createClient({
        url: 'http://sim',
        getToken: async () => tokenFor(uid, world.timeOf(world.outside) + tokenMs),
        device: this.name,
        outbox: this.#outbox(),
        WebSocket: network.socketsOf(this),
        fetch: fetchOf(network, this),
        transport: 'websocket',
        sendWindow,
      });
      this.client.connect();
      for (const cid of this.opened) this.client.conversation(cid).open();
    });
  }

  /** Without a word: what is under way goes on. */
  kill(): void {
    this.#options.world.kill(this.process);
    this.client = undefined;
  }

  /** What its user writes tells who wrote it, and stands nowhere else. */
  send(cid: string, filler = ''): void {
    this.client?.conversation(cid).send({ body: { text: `${this.name} ${++this.#sent}${filler}` } });
  }

  open(cid: string): void {
    if (this.opened.has(cid)) return;
    this.opened.add(cid);
    this.client?.conversation(cid).open();
  }

  leave(cid: string): void {
    if (this.opened.delete(cid)) this.client?.conversation(cid).close();
  }

  read(cid: string, seq?: number): void {
    const conversation = this.client?.conversation(cid);
    if (conversation === undefined) return;
    conversation.markRead(seq);
    this.hasRead.set(cid, Math.max(this.hasRead.get(cid) ?? 0, conversation.getSnapshot().lastRead));
  }

  said(line: Line, text: string): void {
    if (line !== this.#line) {
      this.#line = line;
      this.recorder.connected();
    }
    const { world } = this.#options;
    world.note(() => `says  ${text}`);
    world.hash.text(text);
    this.recorder.said(JSON.parse(text) as UpFrame);
  }

  heard(line: Line, text: string): void {
    const { world } = this.#options;
    world.note(() => `hears ${text}`);
    world.hash.text(text);
    if (line !== this.#line) return;
    const parsed = JSON.parse(text) as DownFrame | DownFrame[];
    const node = line.node!.process.name;
    for (const frame of Array.isArray(parsed) ? parsed : [parsed]) this.recorder.heard(frame, node);
  }

  #newRecorder(): Recorder {
    const { world, events, problems, uid, name, readBy } = this.#options;
    return new Recorder(world, { events, problems, p: `${this.#lives}`, u: uid, d: name, readBy: (cid) => readBy(uid, cid) });
  }

  /** A moment later it is on the disk, whatever becomes of the process. */
  #outbox(): OutboxStorage {
    const { world } = this.#options;
    const process = this.process;
    const keyOf = (cid: string, mid: string) => `${cid} ${mid}`;
    const write = (change: () => void) =>
      new Promise<void>((resolve) => {
        world.in(process, 0.01, () => {
          change();
          resolve();
        });
      });
    return {
      load: async () => [...this.#disk.values()],
      put: (item) => write(() => void this.#disk.set(keyOf(item.cid, item.mid), item)),
      remove: (cid, mid) => write(() => void this.#disk.delete(keyOf(cid, mid))),
    };
  }
}
