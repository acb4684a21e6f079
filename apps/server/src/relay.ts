import { busConsumer, Relay } from '@gapless/worker';
import { openBus } from './adapters.ts';
import type { Base } from './base.ts';

export interface RunningRelay {
  /** Something was committed here. */
  nudge(): void;
  /** Rejects while the bus cannot be reached. */
  check(): Promise<void>;
  close(): Promise<void>;
}

/** Feeds the event bus from the log; undefined where there is no bus, or it is another process's work. */
export async function startRelay({ config, store, node, clock, log, metrics }: Base): Promise<RunningRelay | undefined> {
  if (config.role === 'gateway') return undefined;
  const bus = await openBus(config, { clock, log });
  if (bus === undefined) return undefined;
  const relay = new Relay({
    feed: store,
    consumers: [busConsumer(bus, 'gapless')],
    holder: node,
    clock,
    log,
    metrics: metrics.relay,
    limits: { alertRows: config.relayLagAlertRows, alertMs: config.relayLagAlertSeconds * 1_000 },
  });
  relay.start();
  return {
    nudge: () => relay.nudge(),
    check: () => bus.check(),
    async close() {
      await relay.close();
      await bus.close();
    },
  };
}
