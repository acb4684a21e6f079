import { seededRandom } from '@gapless/kit';
import { type CutProxy, freePort, startProxy } from '@gapless/launch';
import { FrameFilter, type Protocol } from './frame-filter.ts';
import { natsProtocol } from './nats-frames.ts';
import { redisProtocol } from './redis-frames.ts';

export interface LossyOptions {
  target: { readonly port: number };
  /** Of the published messages that are dropped on the way to their subscribers: 0 none, 1 all. */
  share: number;
  /** Of the generator that chooses. The order of the messages of several connections is chance all the same. */
  seed: number;
}

/** Stands before a real server and loses messages, as pub/sub may. Nothing else is touched. */
export interface LossyProxy {
  readonly url: string;
  readonly port: number;
  /** Messages so far, each counted once for each connection that it was for. */
  readonly dropped: number;
  setShare(share: number): void;
  /** An outage: breaks the connections and refuses new ones. */
  stop(): Promise<void>;
  /** Again on the same port. */
  start(): Promise<void>;
  remove(): Promise<void>;
}

export function startLossyRedis(options: LossyOptions): Promise<LossyProxy> {
  return startLossy('redis', redisProtocol, options);
}

export function startLossyNats(options: LossyOptions): Promise<LossyProxy> {
  return startLossy('nats', natsProtocol, options);
}

async function startLossy(scheme: string, protocol: () => Protocol, { target, share, seed }: LossyOptions): Promise<LossyProxy> {
  const port = await freePort();
  const random = seededRandom(seed);
  let dropped = 0;
  function drops(): boolean {
    const drop = random() < share;
    if (drop) dropped++;
    return drop;
  }
  const open = () => startProxy(() => target.port, { port, filter: () => new FrameFilter(protocol(), drops) });
  let proxy: CutProxy | undefined = await open();
  async function stop(): Promise<void> {
    const stopping = proxy;
    proxy = undefined;
    await stopping?.close();
  }
  return {
    url: `${scheme}://127.0.0.1:${port}`,
    port,
    get dropped() {
      return dropped;
    },
    setShare(next) {
      share = next;
    },
    stop,
    async start() {
      proxy ??= await open();
    },
    remove: stop,
  };
}
