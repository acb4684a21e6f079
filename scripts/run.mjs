// One entry for every npm script. Runs on Node 20 as shipped: it installs the packages and, where
// the machine's Node is too old, the right Node from the npm registry, then starts the task with it.
import { ensureInstalled, ensureRuntime, runTask } from './bootstrap.mjs';
import { tasks } from './tasks.mjs';

const [name = '', ...args] = process.argv.slice(2);
const task = tasks[name];
if (task === undefined) {
  console.error(`Unknown task "${name}". Known: ${Object.keys(tasks).join(', ')}.`);
  process.exit(2);
}
const node = ensureRuntime();
ensureInstalled(node);
process.exitCode = await runTask(node, task, args);
