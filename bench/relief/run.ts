// What a send costs with its member rows and without: `--ensure-members send` and `ack`, in turns, on the same nodes and the same load.
// `npm run bench -- relief [--nodes 5] [--repeats 3] [--clients 5000] [--seconds 60] [--flags "--acks"] [--quick]`
// `--flags`: more of `gapless load`. `--quick`: small, to try the bench itself; keeps nothing.

import { parseArgs } from 'node:util';
import { Ends } from '../cluster/ends.ts';
import { postgres } from '../cluster/services.ts';
import { type Figure, report } from '../lib/report.ts';
import { fullSpeed, type Speed } from './full-speed.ts';
import { MODES, type Mode, median } from './modes.ts';
import { onNodes, type Round } from './nodes.ts';

const { values } = parseArgs({
  options: {
    nodes: { type: 'string', default: '5' },
    repeats: { type: 'string' },
    clients: { type: 'string' },
    seconds: { type: 'string' },
    flags: { type: 'string', default: '' },
    quick: { type: 'boolean', default: false },
  },
});
const { quick } = values;
const repeats = Number(values.repeats ?? (quick ? 1 : 3));
const load = {
  nodes: Number(values.nodes),
  repeats,
  clients: Number(values.clients ?? (quick ? 300 : 5_000)),
  seconds: Number(values.seconds ?? (quick ? 5 : 60)),
  flags: values.flags,
};
const FULL_SPEED_SEC = quick ? 2 : 8;

const ends = new Ends();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void ends.all().then(() => process.exit(1)));
try {
  const database = await postgres(ends);
  const rounds = await onNodes(database, load, ends);
  const speeds = await fullSpeed(database, { repeats, seconds: FULL_SPEED_SEC });
  const figures = [...figuresOf(rounds), ...speedsOf(speeds), ...faultsOf(rounds)];
  compare(figures);
  if (!quick) report('relief', figures, { load, postgres: database.version, rounds, speeds });
} catch (error) {
  console.error(error);
  process.exitCode = 1;
} finally {
  await ends.all();
}
process.exit();

function figuresOf(rounds: Record<Mode, Round[]>): Figure[] {
  return Object.keys(rounds.send[0]!.figures).flatMap((name) =>
    MODES.map((mode) => ({
      name: `${name}, ${mode}`,
      value: median(rounds[mode].map(({ figures }) => figures[name]!)),
      unit: name.includes('CPU') ? 'µs' : 'ms',
    })),
  );
}

function speedsOf(speeds: Record<Mode, Speed[]>): Figure[] {
  const of = (name: string, unit: string, read: (speed: Speed) => number): Figure[] =>
    MODES.map((mode) => ({ name: `${name}, ${mode}`, value: median(speeds[mode].map(read)), unit }));
  return [
    ...of('saved at full speed', 'msg/s', ({ rate }) => rate),
    ...of('Postgres CPU a message at full speed', 'µs', ({ postgresUsec }) => postgresUsec),
  ];
}

/** Of all rounds: whatever is gained, nothing may be lost for it. */
function faultsOf(rounds: Record<Mode, Round[]>): Figure[] {
  return MODES.map((mode) => ({
    name: `missing, doubled, out of order or refused, ${mode}`,
    value: rounds[mode].reduce((sum, { faults }) => sum + faults, 0),
    unit: '',
    budget: { atMost: 0 },
  }));
}

/** The two side by side. */
function compare(figures: readonly Figure[]): void {
  const rows = figures
    .filter(({ name }) => name.endsWith(', send'))
    .map(({ name, value: before, unit }) => {
      const what = name.slice(0, -', send'.length);
      const after = figures.find((figure) => figure.name === `${what}, ack`)!.value;
      const change = before === 0 ? '' : `${(((after - before) / before) * 100).toFixed(0)} %`;
      return { what, send: Number(before.toPrecision(4)), ack: Number(after.toPrecision(4)), unit, change };
    });
  console.table(rows);
}
