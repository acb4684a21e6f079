import { parseArgs } from 'node:util';
import { range, runMany } from './many.ts';
import { PLANTS, type PlantName, plantOf } from './plants.ts';
import { printFailure, Summary } from './print.ts';
import { runSeed } from './run-seed.ts';

const HELP = `npm run sim -- [options]

  --seed N        one seed; twice, to see that it does the same again
  --seeds A..B    all from A to B
  --count N       the first N seeds (default 100)
  --plant NAME    with a fault put in: ${Object.keys(PLANTS).join(', ')}
  --plants        each of these, until it is found
  --control       with --plant: the worlds that were made for it, without it
  --two-phase on|off   in every world, or in none
  --trace         with --seed: print everything that happens
  --jobs N        seeds at a time (default: one for each core)`;

/** A planted fault has to be found within so many seeds. */
const PLANT_SEEDS_MAX = 200;

/** A word after so many. */
const PROGRESS_SEEDS = 250;

/** Failures shown in full. */
const SHOWN_MAX = 5;

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    seeds: { type: 'string' },
    count: { type: 'string' },
    plant: { type: 'string' },
    'two-phase': { type: 'string' },
    plants: { type: 'boolean' },
    control: { type: 'boolean' },
    trace: { type: 'boolean' },
    jobs: { type: 'string' },
    help: { type: 'boolean' },
  },
});

const plant = plantNamed(values.plant);
const twoPhase = values['two-phase'] === undefined ? undefined : values['two-phase'] === 'on';
const { control } = values;
const options = { plant: plantOf(plant, control), twoPhase };
const jobs = values.jobs === undefined ? undefined : Number(values.jobs);

if (values.help) console.log(HELP);
else if (values.plants) await runPlants();
else if (values.seed !== undefined) await runOne(Number(values.seed));
else await runAll(seedsOf(values.seeds, values.count));

/** The same seed, the same run: that is shown by doing it twice. */
async function runOne(seed: number): Promise<void> {
  const summary = new Summary();
  const first = await runSeed(seed, options);
  const again = await runSeed(seed, { ...options, traced: true });
  if (values.trace) for (const line of again.trace ?? []) console.log(line);
  console.log(`plan     ${JSON.stringify(again.plan)}`);
  console.log(`hash     ${first.hash}${first.hash === again.hash ? ', twice' : `, then ${again.hash}: NOT THE SAME RUN`}`);
  summary.add({ ...again, sent: again.check.sent, received: again.check.received });
  console.log(summary.text());
  if (!again.ok) printFailure(again, commandOf(seed));
  if (!again.ok || first.hash !== again.hash) process.exitCode = 1;
}

async function runAll(seeds: Iterable<number>): Promise<void> {
  const summary = new Summary();
  const failed: number[] = [];
  await runMany({
    seeds,
    plant,
    control,
    twoPhase,
    jobs,
    onReport(report) {
      summary.add(report);
      if (summary.seeds % PROGRESS_SEEDS === 0) console.error(`${summary.seeds} seeds …`);
      if (report.ok) return false;
      failed.push(report.seed);
      console.log(`seed ${report.seed} failed: ${report.problems[0]}`);
      return false;
    },
  });
  console.log(summary.text());
  for (const seed of failed.toSorted((a, b) => a - b).slice(0, SHOWN_MAX))
    printFailure(await runSeed(seed, { ...options, traced: true }), commandOf(seed));
  if (failed.length > 0) process.exitCode = 1;
}

/** Every planted fault, each until it is found. */
async function runPlants(): Promise<void> {
  for (const name of Object.keys(PLANTS) as PlantName[]) {
    const found: { seed: number; problem: string }[] = [];
    await runMany({
      seeds: range(1, PLANT_SEEDS_MAX),
      plant: name,
      jobs,
      onReport({ seed, problems }) {
        const problem = problems.find((each) => PLANTS[name].shows.test(each));
        if (problem !== undefined) found.push({ seed, problem });
        return problem !== undefined;
      },
    });
    const [first] = found.toSorted((a, b) => a.seed - b.seed);
    console.log(
      `${name.padEnd(28)} ${first === undefined ? `NOT FOUND in ${PLANT_SEEDS_MAX} seeds` : `found after ${first.seed} seeds: ${first.problem}`}`,
    );
    if (first === undefined) process.exitCode = 1;
  }
}

/** What shows a run again. */
function commandOf(seed: number): string {
  const more = [
    ...(plant === undefined ? [] : [`--plant ${plant}${control ? ' --control' : ''}`]),
    ...(twoPhase === undefined ? [] : [`--two-phase ${twoPhase ? 'on' : 'off'}`]),
  ];
  return ['npm run sim --', `--seed ${seed}`, ...more, '--trace'].join(' ');
}

function seedsOf(seeds: string | undefined, count = '100'): Iterable<number> {
  const [from = 1, to = Number(count)] = seeds?.split('..').map(Number) ?? [];
  return range(from, to);
}

function plantNamed(name: string | undefined): PlantName | undefined {
  if (name === undefined || name in PLANTS) return name as PlantName | undefined;
  console.error(`There is no plant ${name}: ${Object.keys(PLANTS).join(', ')}.`);
  process.exit(2);
}
