import { type Command, InvalidArgumentError, Option } from 'commander';

/** The flags of `gapless drill`. */
export function withDrillFlags(command: Command): Command {
  return command
    .argument('<name...>', '`list`, `all`, or drills by name')
    .option('--duration <seconds>', 'of sending, without what the fault itself takes', amount, 20)
    .option('--clients <n>', 'SDK and bare clients together', wholeNumber, 40)
    .option('--rate <n>', 'messages a second of all clients together', amount, 100)
    .option('--seed <n>', 'decides who sends when', wholeNumber, 1)
    .addOption(new Option('--two-phase <mode>', 'two-phase acks').choices(['off', 'on', 'both']).default('off'))
    .option('--keep', 'keep histories and logs, and say where')
    .option('--json <file>', 'write the results as JSON')
    .option('--markdown <file>', 'write the table as Markdown')
    .addHelpText('after', '\nEach drill starts servers of its own on this machine and ends them; no other server is touched.');
}

function amount(value: string): number {
  const number = Number(value);
  if (!(number > 0)) throw new InvalidArgumentError('More than 0.');
  return number;
}

function wholeNumber(value: string): number {
  const number = Number(value);
  if (!Number.isInteger(number) || number < 1) throw new InvalidArgumentError('A whole number from 1.');
  return number;
}
