import { DEFAULTS, MODES, SEND_MODELS } from '@gapless/loadtest/options';
import { type Command, InvalidArgumentError, Option } from 'commander';

/** The flags of `gapless load`, in groups. */
export function withLoadFlags(command: Command): Command {
  return command
    .optionsGroup('Where:')
    .addOption(
      new Option('--url, --urls <url,…>', 'origin of the server, or of its nodes; also several times')
        .argParser(gathered)
        .default(DEFAULTS.urls, DEFAULTS.urls[0]),
    )
    .option('--local-addresses <from-to,…>', 'connect from these addresses in turn: above 28,000 connections to one port')
    .option('--jwt-secret <value>', 'makes the tokens (GAPLESS_JWT_SECRET)')
    .option('--pid <n>', 'process of the server; found by its port when local', amount)
    .optionsGroup('What:')
    .addOption(new Option('--mode <name>', 'what to do').choices(MODES).default(DEFAULTS.mode))
    .option('--clients <n>', 'connections', amount, DEFAULTS.clients)
    .option('--connect-rate <n>', 'open so many a second; 0: as fast as they are answered', amount, DEFAULTS.connectRate)
    .option('--group-size <n>', 'participants of one conversation in the modes group and resume', amount, DEFAULTS.groupSize)
    .option('--senders <n>', 'of each conversation only so many send; 0: all; in the modes group and resume', amount, DEFAULTS.senders)
    .option('--body-bytes <n>', 'of each message', amount, DEFAULTS.bodyBytes)
    .option('--acks', 'acknowledge and read once a second, as clients do')
    .optionsGroup('When:')
    .option('--duration <seconds>', 'of sending', amount, DEFAULTS.durationMs / 1_000)
    .option('--warm-up <seconds>', 'at the start, not measured', amount, DEFAULTS.warmUpMs / 1_000)
    .option('--drain-timeout <seconds>', 'for everything to arrive when sending is over', amount, DEFAULTS.drainTimeoutMs / 1_000)
    .option('--msg-interval-ms <ms>', 'between two messages of one client', amount, DEFAULTS.msgIntervalMs)
    .addOption(new Option('--send-model <name>', 'all apart, or all at once').choices(SEND_MODELS).default(DEFAULTS.sendModel))
    .option('--closed-loop', 'wait for each answer: hides stalls, for comparison only')
    .optionsGroup('Trouble:')
    .option('--slow-consumer-pct <n>', 'clients that stop reading after each message', amount, DEFAULTS.slowConsumerPct)
    .option('--slow-consumer-delay-ms <ms>', 'for so long', amount, DEFAULTS.slowConsumerDelayMs)
    .option('--no-read-pct <n>', 'clients that read nothing until sending is over', amount, DEFAULTS.noReadPct)
    .option('--flap-pct <n>', 'clients that come and go', amount, DEFAULTS.flapPct)
    .option('--steady-pct <n>', 'mode resume: clients that stay while all others are cut off', amount, DEFAULTS.steadyPct)
    .option('--resume-at-once', 'mode resume: return without the wait of the protocol')
    .optionsGroup('How often, how far:')
    .option('--repeats <n>', 'runs one after the other, with fresh conversations', amount, 1)
    .option('--find-max-p99-ms <ms>', 'look for the highest rate that holds this e2e p99', amount)
    .option('--workers <n>', 'threads of the generator; processes when one may not open so many files', amount, DEFAULTS.workers)
    .option('--self-test', 'no server: find what the generator itself can receive')
    .optionsGroup('Reports:')
    .option('--history <dir>', 'record and check what every client saw')
    .option('--json <file>', 'keep the result')
    .option('--html <file>', 'keep it as a page with pictures')
    .optionsGroup('Exit status 1 on any gap, duplicate or reorder, on a client that never has the last message, and:')
    .option('--fail-p99-ms <ms>', 'above this end-to-end p99 (of ping or connect in those modes)', amount)
    .option('--fail-saved-p99-ms <ms>', 'above this p99 until saved', amount)
    .option('--fail-resume-p99-ms <ms>', 'above this p99 until caught up', amount)
    .option('--fail-hop-p50-ms <ms>', 'above what another node adds at p50', amount)
    .option('--fail-storm-loop-p99-ms <ms>', "above this p99 of the server's event loop in the storm", amount)
    .option('--fail-errors <n>', 'above so many errors', amount, 0)
    .option('--fail-delivered-pct <n>', 'below this share of what everyone should have received', amount, 100);
}

/** A flag that may be given several times, or once with commas. */
function gathered(value: string, before: readonly string[]): readonly string[] {
  return [...(before === DEFAULTS.urls ? [] : before), ...value.split(',')];
}

function amount(value: string): number {
  const number = Number(value);
  if (value === '' || !Number.isFinite(number) || number < 0) throw new InvalidArgumentError('A number from 0.');
  return number;
}
