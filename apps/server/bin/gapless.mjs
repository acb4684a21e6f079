#!/usr/bin/env node
// `npx gapless …` in a checkout. Plain JavaScript for Node 20: it finds the right Node, then starts the real program with it.
import { ensureInstalled, ensureRuntime, run } from '../../../scripts/bootstrap.mjs';

const node = ensureRuntime();
ensureInstalled(node);
process.exitCode = await run(node, node, [new URL('../src/main.ts', import.meta.url).pathname, ...process.argv.slice(2)]);
