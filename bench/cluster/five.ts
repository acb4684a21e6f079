import type { Figure } from '../lib/report.ts';
import { Cluster } from './cluster.ts';
import type { Ends } from './ends.ts';
import { detailsOf, errorsOf, promises, startLoad } from './load.ts';
import type { Part } from './part.ts';
import { type BrokerKind, broker, postgres } from './services.ts';

const NODES = 5;
const HOP_MAX_MS = 2;
const ISSUE = '--mode group --group-size 20 --clients 5000 --connect-rate 1000 --msg-interval-ms 3000 --warm-up 5 --duration 65';
const QUICK = '--mode group --group-size 20 --clients 500 --connect-rate 500 --msg-interval-ms 3000 --warm-up 2 --duration 12';
/** A tenth of the messages: what the way itself costs when no core is waited for. */
const CALM = '--msg-interval-ms 30000 --duration 35';
const QUICK_CALM = '--msg-interval-ms 10000 --duration 12';

/** Five processes over one Postgres and one broker: conversations of 20 with four members on each node, one message each per 3 s. */
export async function five(kind: BrokerKind, { quick, ends }: { quick: boolean; ends: Ends }): Promise<Part> {
  const [database, bus] = [await postgres(ends), await broker(kind, ends)];
  const cluster = await Cluster.start({ nodes: NODES, store: await database.createDatabase(), broker: bus.url }, ends);
  const flags = quick ? QUICK : ISSUE;
  const full = await startLoad(cluster.urls, flags, { check: true, ends }).outcome;
  const calmFlags = `${flags.replace(/--msg-interval-ms.*/, '')}--warm-up 2 ${quick ? QUICK_CALM : CALM}`;
  const calm = await startLoad(cluster.urls, calmFlags, { check: false, ends }).outcome;
  const name = `five nodes, ${kind}`;
  const budget = kind === 'kafka' ? {} : { budget: { atMost: HOP_MAX_MS } };
  const figures: Figure[] = [
    ...promises(name, full),
    { name: `${name}: errors`, value: errorsOf(full), unit: '', budget: { atMost: 0 } },
    { name: `${name}: e2e p50`, value: full.latency.e2e!.p50, unit: 'ms' },
    { name: `${name}: e2e p99`, value: full.latency.e2e!.p99, unit: 'ms' },
    { name: `${name}: p50 added by the hop, all ${full.rates.saved.toFixed(0)} messages/s`, value: full.hop!.p50, unit: 'ms', ...budget },
    { name: `${name}: p50 added by the hop, ${calm.rates.saved.toFixed(0)} messages/s`, value: calm.hop!.p50, unit: 'ms', ...budget },
    { name: `${name}: p99 added by the hop, ${calm.rates.saved.toFixed(0)} messages/s`, value: calm.hop!.p99, unit: 'ms' },
  ];
  return {
    figures,
    details: {
      versions: { postgres: database.version, [kind]: bus.version },
      cpuSec: { nodes: cluster.cpuSec(), postgres: database.cpuSec(), [kind]: bus.cpuSec() },
      full: detailsOf(full),
      calm: detailsOf(calm),
    },
  };
}
