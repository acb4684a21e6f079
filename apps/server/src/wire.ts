import { systemClock } from '@gapless/kit';
import type { Logger } from 'pino';
import { openStore } from './adapters.ts';
import type { Base } from './base.ts';
import { startChat } from './chat-server.ts';
import { startHealth } from './health-server.ts';
import { createMetrics } from './metrics.ts';
import { makeNodeId } from './node-id.ts';
import { startRelay } from './relay.ts';
import { openSecret, SECRET_SAFE_CHARS } from './secret.ts';
import type { Config } from './settings.ts';

export interface Running {
  readonly url: string;
  readonly dataDir: string;
  readonly node: string;
  readonly secretFile?: string;
  readonly secretMade: boolean;
  /** Asks clients to go, finishes what was accepted, closes everything. Safe to call twice. */
  close(): Promise<void>;
}

/** The composition root: chooses adapters by config and knows every part by name. `onFatal`: the store can never write again. */
export async function startServer(config: Config, log: Logger, onFatal: (error: unknown) => void): Promise<Running> {
  const clock = systemClock;
  const { secret, file, made } = openSecret(config.jwtSecret, config.dataDir);
  if (secret.length < SECRET_SAFE_CHARS)
    log.warn({ chars: secret.length }, `the secret is shorter than ${SECRET_SAFE_CHARS} characters: who guesses it can be anyone`);
  const metrics = createMetrics();
  const store = await openStore(config, { clock, log, onEnsureMembers: metrics.writer.ensuredMembers }, onFatal);
  const node = makeNodeId(config.nodeId);
  const base: Base = {
    config,
    log: log.child(store.capabilities.multiProcess ? { node } : {}),
    clock,
    node,
    store,
    metrics,
  };
  if (store.capabilities.multiProcess && file !== undefined)
    log.warn({ file }, 'nodes on other machines need the same secret: set GAPLESS_JWT_SECRET');
  const parts: { close(): Promise<void> }[] = [];
  const closeAll = async () => {
    for (const part of parts.toReversed()) await part.close();
    await store.close();
  };
  try {
    const relay = await startRelay(base);
    if (relay !== undefined) parts.push(relay);
    const served = await (config.role === 'worker' ? startHealth(base, relay) : startChat(base, { secret, relay }));
    parts.push(served);
    let closing: Promise<void> | undefined;
    return {
      url: `http://${config.host.includes(':') ? `[${config.host}]` : config.host}:${served.port}`,
      dataDir: config.dataDir,
      node,
      ...(file === undefined ? {} : { secretFile: file }),
      secretMade: made,
      close: () => (closing ??= closeAll()),
    };
  } catch (error) {
    await closeAll();
    throw error;
  }
}
