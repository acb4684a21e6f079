// Several server processes over one Postgres and one broker.
// `npm run bench -- cluster [five|faults|rolling|sockets|history|two-phase] [redis|nats|kafka] [--quick]`
// `npm run bench -- cluster two-phase [--clients 5000] [--seconds 60] [--repeats 3] [--interval 3000] [--slow-commit 50] [--send-model spread]`
// Without the name of a part all run, five and faults with each of their brokers. `--quick`: small, to try the bench itself; keeps nothing.

import { type Figure, report } from '../lib/report.ts';
import { Ends } from './ends.ts';
import { faults } from './faults.ts';
import { five } from './five.ts';
import { history } from './history.ts';
import { type Options, readCommandLine } from './options.ts';
import type { Part } from './part.ts';
import { rolling } from './rolling.ts';
import { BROKERS } from './services.ts';
import { sockets } from './sockets.ts';
import { twoPhase } from './two-phase.ts';

interface Scope {
  readonly quick: boolean;
  readonly ends: Ends;
  readonly options: Options;
}

const PARTS: Record<string, (scope: Scope) => Promise<Part>> = {
  ...Object.fromEntries(BROKERS.map((kind) => [`five-${kind}`, (scope: Scope) => five(kind, scope)])),
  ...Object.fromEntries((['redis', 'nats'] as const).map((kind) => [`faults-${kind}`, (scope: Scope) => faults(kind, scope)])),
  rolling,
  sockets,
  history,
  'two-phase': twoPhase,
};

const { wanted, quick, options } = readCommandLine(process.argv.slice(2));
const names = Object.keys(PARTS).filter((name) => name === wanted || name.startsWith(`${wanted}-`) || wanted === '');
if (names.length === 0) {
  console.error(`Unknown part "${wanted}". Known: ${Object.keys(PARTS).join(', ')}.`);
  process.exit(2);
}
const ends = new Ends();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void ends.all().then(() => process.exit(1)));
let failed = false;
for (const name of names) failed = !(await run(name)) || failed;
process.exit(failed ? 1 : process.exitCode);

/** Whether it came to its figures; each part has a result of its own. */
async function run(name: string): Promise<boolean> {
  console.log(`${name} …`);
  try {
    const { figures, details } = await PARTS[name]!({ quick, ends, options });
    if (quick) show(figures, details);
    else report(`cluster-${name}`, figures, details);
    return true;
  } catch (error) {
    console.error(error);
    return false;
  } finally {
    await ends.all();
  }
}

function show(figures: readonly Figure[], details: object): void {
  console.dir(details, { depth: 2 });
  console.table(figures.map(({ name, value, unit, note = '' }) => ({ figure: name, value: Number(value.toPrecision(4)), unit, note })));
}
