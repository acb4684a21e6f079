import { type CutProxy, startProxy } from '@gapless/launch';
import type { Drill, DrillContext } from '../drill.ts';
import { until } from '../means/until.ts';
import { missing, openPostgres, openRedis } from '../services.ts';
import { perform, type Stage } from '../stage.ts';

const NODES = 2;
const STORMS = 3;
/** From the cut until everyone is back; the protocol lets a client wait for 8 s between two tries. */
const BACK_MS = 60_000;

export const reconnectStorm: Drill = {
  name: 'reconnect-storm',
  what: `All connections are cut at the same moment, ${STORMS} times, and every client returns: it gets what it missed, once and in order.`,
  missing: () => missing('postgres', 'redis'),
  async run(context) {
    const postgres = await openPostgres(context);
    const redis = await openRedis(context);
    let proxies: CutProxy[] = [];
    return perform(context, {
      cluster: { nodes: NODES, store: await postgres.createDatabase(), broker: redis.url },
      async front({ nodes }) {
        proxies = await Promise.all(nodes.map(({ port }) => proxyTo(context, port)));
        return proxies.map(({ port }) => `http://127.0.0.1:${port}`);
      },
      async fault(stage) {
        for (let n = 1; n <= STORMS; n++) await storm(stage, proxies, n);
        stage.note('recovery is that of the last storm');
      },
    });
  },
};

async function storm({ crowd, log, healed, note, broken }: Stage, proxies: readonly CutProxy[], n: number): Promise<void> {
  const before = crowd.connections;
  const clients = before.length;
  const untouched = () => crowd.connections.filter((count, i) => count === before[i]).length;
  for (const proxy of proxies) proxy.cut();
  for (const proxy of proxies) proxy.restore();
  healed();
  const startedAt = performance.now();
  // Who has not noticed yet still counts as there.
  await until(() => untouched() === 0, BACK_MS);
  if (untouched() > 0) broken(`${untouched()} of ${clients} clients did not lose their connection: the drill shows nothing`);
  const away = await crowd.together(startedAt + BACK_MS - performance.now());
  const backMs = Math.round(performance.now() - startedAt);
  log(`storm ${n} of ${STORMS}: ${clients - away} clients are back after ${backMs} ms`);
  note(`storm ${n}: ${clients - away} clients back after ${backMs} ms`);
  if (away > 0) broken(`${away} clients did not return within ${BACK_MS / 1_000} s`);
}

async function proxyTo({ onCleanup }: DrillContext, port: number): Promise<CutProxy> {
  const proxy = await startProxy(() => port);
  onCleanup(() => proxy.close());
  return proxy;
}
