import { RUN_FOLDER, readNotes } from '@gapless/testkit';
import type { Reporter, TestModule } from 'vitest/node';

/** Ends the output with the plain counts, and lists what was skipped with its reason: a test that did not run is said. */
export default class ClosingLine implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const counts = { passed: 0, failed: 0, skipped: 0, pending: 0 };
    const skipped: Skipped[] = [];
    for (const module of modules) {
      for (const test of module.children.allTests()) {
        const result = test.result();
        counts[result.state]++;
        if (result.state === 'skipped') skipped.push({ name: test.fullName, reason: result.note || 'no reason given' });
      }
      counts.failed += module.errors().length;
    }
    if (skipped.length > 0) console.log(`\nDid not run:\n${skipped.map(({ name, reason }) => `  ${name}: ${reason}`).join('\n')}`);
    const servers = serverTable(skipped);
    if (servers.length > 0) console.log(`\nReal servers:\n${servers.map((line) => `  ${line}`).join('\n')}`);
    console.log(`\n${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
  }
}

interface Skipped {
  readonly name: string;
  readonly reason: string;
}

/** What the tests ran against, and what this machine does not have with the number of tests that did not run for it. */
function serverTable(skipped: readonly Skipped[]): string[] {
  const folder = process.env[RUN_FOLDER];
  const notes = folder === undefined ? [] : readNotes(folder);
  const width = Math.max(...notes.map(({ name }) => name.length));
  return notes.map((note) => {
    const name = note.name.padEnd(width);
    if ('version' in note) return `${name}  ${note.version}, from ${note.from}`;
    const lost = skipped.filter(({ reason }) => reason.includes(note.reason)).length;
    return `${name}  not here: ${note.reason}; tests that did not run: ${lost}`;
  });
}
