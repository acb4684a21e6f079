import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { withDrillFlags } from './commands/drill-flags.ts';
import { withLoadFlags } from './commands/load-flags.ts';
import { migrateStatus } from './commands/migrate.ts';
import { createToken } from './commands/token.ts';
import { ConfigError, printConfig, readConfig } from './config.ts';
import { type Config, environmentName, flagName, SETTING_NAMES, SETTINGS } from './settings.ts';
import { VERSION } from './version.ts';

const EXIT_USAGE = 2;

const TOKEN_SETTINGS = ['dataDir', 'jwtSecret'] as const;

/** The program `gapless`. Commands are loaded when called, so that a start pays for nothing else. */
export function createProgram(): Command {
  const program = new Command('gapless')
    .description('Chat infrastructure that a team runs itself.')
    .version(VERSION)
    .showHelpAfterError('(see gapless --help)')
    .exitOverride();

  withSettings(program.command('serve').description('Start the server.')).action(async (flags) => {
    const { serve } = await import('./commands/serve.ts');
    await serve(configOf(flags));
  });

  const token = program.command('token').description('Access tokens.');
  withSettings(token.command('create').description('Print a token signed with the server’s secret.'), TOKEN_SETTINGS)
    .requiredOption('-u, --user <id>', 'user id: the sub of the token', userId)
    .addOption(new Option('--role <role>', 'what it may do').choices(['user', 'admin']).default('user'))
    .option('--name <text>', 'display name')
    .option('--minutes <n>', 'life of the token', wholeMinutes, 30)
    .action(async (flags) => console.log(await createToken(configOf(flags, TOKEN_SETTINGS), flags)));

  const migrate = program.command('migrate').description('The database: its schema, and moving to Postgres.');
  withSettings(migrate.command('status').description('Which migrations were applied; changes nothing.'), ['dataDir', 'store']).action(
    async (flags) => console.log(await migrateStatus(configOf(flags))),
  );
  migrate
    .command('copy')
    .description('Copy everything from SQLite to an empty PostgreSQL, and compare the two.')
    .requiredOption('--from <path>', 'data folder or database file; no server may run on it')
    .option('--to <url>', 'postgres://user:password@host:port/database (GAPLESS_STORE)')
    .option('--verify-only', 'only compare them')
    .option('--json', 'print the result as JSON')
    .action(async (flags) => {
      const { migrateCopy } = await import('./commands/migrate-copy.ts');
      process.exitCode = (await migrateCopy({ to: configOf(flags, []).store, ...flags })) ? 0 : 1;
    });

  const config = program.command('config').description('Settings.');
  withSettings(config.command('print').description('Print the settings in force, secrets masked; fails when one is wrong.')).action(
    (flags) => console.log(printConfig(configOf(flags))),
  );

  program
    .command('smoke')
    .description('Run an end-to-end scenario against a server and report each step.')
    .option('--url <url>', 'origin of the server; of two nodes, with a comma between', 'http://127.0.0.1:9001')
    .addOption(new Option('--scenario <name>', 'what to run').choices(['basic']).default('basic'))
    .action(async (flags) => {
      const { smoke } = await import('./commands/smoke.ts');
      process.exitCode = (await smoke(flags)) ? 0 : 1;
    });

  program
    .command('check')
    .description('Check histories that clients recorded: nothing lost, twice, out of order or invented.')
    .argument('<file...>', 'NDJSON histories; together they are one')
    .option('--url <url>', 'origin of the server, to read the final history of each conversation')
    .option('--token <jwt>', 'for --url: token of a participant of them all')
    .option('--jwt-secret <value>', 'for --url: makes the tokens (GAPLESS_JWT_SECRET)')
    .option('--foreign-writers', 'others wrote too: an unknown message is no anomaly')
    .option('--no-real-time', 'do not compare times between processes: the histories come from several machines')
    .option('--json', 'print the result as JSON')
    .action(async (files, flags) => {
      const { check } = await import('./commands/check.ts');
      process.exitCode = (await check(files, flags)) ? 0 : 1;
    });

  withLoadFlags(program.command('load').description('Put load on a server by the clock, and report latency, loss and order.')).action(
    async (flags, command: Command) => {
      const { load } = await import('./commands/load.ts');
      const given = (flag: string) => command.getOptionValueSource(flag) === 'cli';
      process.exitCode = (await load({ ...flags, noReadPct: flags.readPct }, given)) ? 0 : 1;
    },
  );

  withDrillFlags(
    program.command('drill').description('Break something on purpose, and check that nothing was lost, doubled or reordered.'),
  ).action(async (names, flags) => {
    const { drill } = await import('./commands/drill.ts');
    process.exitCode = (await drill(names, flags)) ? 0 : 1;
  });

  return program;
}

/** Adds a flag for each setting (or for those named). */
function withSettings(command: Command, names: readonly (keyof Config)[] = SETTING_NAMES): Command {
  for (const name of names) {
    const { help, values, default: fallback } = SETTINGS[name];
    const shown = fallback === '' ? '' : `, default ${fallback}`;
    command.addOption(new Option(`${flagName(name)} <value>`, `${help} (${values}${shown}; ${environmentName(name)})`));
  }
  return command;
}

/** `names`: the settings that are flags of the command; another flag of the same name is its own. */
function configOf(flags: Record<string, unknown>, names: readonly (keyof Config)[] = SETTING_NAMES): Config {
  return readConfig(process.env, Object.fromEntries(names.map((name) => [name, flags[name]])));
}

function userId(value: string): string {
  if (value.length < 1 || value.length > 64) throw new InvalidArgumentError('1 to 64 characters.');
  return value;
}

function wholeMinutes(value: string): number {
  const minutes = Number(value);
  if (!Number.isInteger(minutes) || minutes < 1) throw new InvalidArgumentError('A whole number from 1.');
  return minutes;
}

/** One line for what the caller got wrong; a stack only for what we did. */
function report(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT_USAGE;
  if (error instanceof ConfigError) {
    console.error(`gapless: ${error.message}`);
    return EXIT_USAGE;
  }
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'EADDRINUSE') console.error(`gapless: ${(error as Error).message}; is another server running? --port takes another one.`);
  else console.error(error instanceof Error && ('say' in error || error.name === 'ChatError') ? `gapless: ${error.message}` : error);
  return 1;
}

if (import.meta.main) {
  try {
    await createProgram().parseAsync();
  } catch (error) {
    process.exit(report(error));
  }
}
