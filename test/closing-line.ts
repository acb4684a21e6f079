import type { Reporter, TestModule } from 'vitest/node';

/** Ends the output with the plain counts, and lists what was skipped with its reason: a test that did not run is said. */
export default class ClosingLine implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const counts = { passed: 0, failed: 0, skipped: 0, pending: 0 };
    const skipped: string[] = [];
    for (const module of modules) {
      for (const test of module.children.allTests()) {
        const result = test.result();
        counts[result.state]++;
        if (result.state === 'skipped') skipped.push(`  ${test.fullName}: ${('note' in result && result.note) || 'no reason given'}`);
      }
      counts.failed += module.errors().length;
    }
    if (skipped.length > 0) console.log(`\nDid not run:\n${skipped.join('\n')}`);
    console.log(`\n${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
  }
}
