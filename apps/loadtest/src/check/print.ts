import type { CheckResult } from './check.ts';

/** The verdict for people. */
export function printCheck(result: CheckResult): string {
  const { events, conversations, sent, acked, received, accepted, acceptedLost, acceptedLostReported, withoutHistory, anomalies } = result;
  const lines = [`${events} events, ${conversations} conversations: ${sent} sent, ${acked} acknowledged, ${received} received`];
  if (accepted > 0) lines.push(`${accepted} accepted first: ${acceptedLost} of them lost, their senders told of ${acceptedLostReported}`);
  if (withoutHistory > 0)
    lines.push(
      `note     ${withoutHistory} of ${conversations} without a final history: losses and holes were not looked for there (--url)`,
    );
  for (const { name, what, count, examples } of anomalies) {
    lines.push(`ANOMALY  ${name}: ${what}: ${count}`);
    for (const example of examples) lines.push(`           ${example}`);
    if (count > examples.length) lines.push(`           and ${count - examples.length} more`);
  }
  lines.push(result.ok ? 'PASSED: no anomalies' : `FAILED: ${anomalies.length} kinds of anomaly`);
  return lines.join('\n');
}
