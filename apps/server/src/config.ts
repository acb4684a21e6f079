import { readFileSync } from 'node:fs';
import {
  type Config,
  checkTogether,
  environmentName,
  flagName,
  SETTING_NAMES,
  SETTINGS,
  type Setting,
  type SettingName,
} from './settings.ts';

/** A value or key that is wrong; its message is one line for the person at the terminal. */
export class ConfigError extends Error {}

const PREFIX = 'GAPLESS_';

/**
 * Settings from flags, before environment, before defaults; all checked before anything starts.
 * @throws ConfigError for a wrong value or an unknown GAPLESS_ name
 */
export function readConfig(environment: Readonly<Record<string, string | undefined>>, flags: Readonly<Record<string, unknown>>): Config {
  rejectUnknown(environment);
  const entries = SETTING_NAMES.map((name) => [name, readOne(name, environment, flags)] as const);
  const config = Object.fromEntries(entries) as Config;
  try {
    checkTogether(config);
  } catch (error) {
    throw new ConfigError((error as Error).message);
  }
  return config;
}

function readOne(
  name: SettingName,
  environment: Readonly<Record<string, string | undefined>>,
  flags: Readonly<Record<string, unknown>>,
): unknown {
  const setting: Setting<unknown> = SETTINGS[name];
  const { text, source } = sourceOf(name, setting, environment, flags);
  try {
    return setting.parse(text);
  } catch (error) {
    const shown = setting.secret ? 'the given value' : `"${text}"`;
    throw new ConfigError(`${source}: ${shown} is wrong; it must be ${(error as Error).message}`);
  }
}

function sourceOf(
  name: SettingName,
  setting: Setting<unknown>,
  environment: Readonly<Record<string, string | undefined>>,
  flags: Readonly<Record<string, unknown>>,
): { text: string; source: string } {
  const variable = environmentName(name);
  if (flags[name] !== undefined) return { text: String(flags[name]), source: flagName(name) };
  if (environment[variable] !== undefined) return { text: environment[variable], source: variable };
  const file = setting.secret ? environment[`${variable}_FILE`] : undefined;
  if (file === undefined) return { text: setting.default, source: name };
  try {
    return { text: readFileSync(file, 'utf8').trim(), source: `${variable}_FILE` };
  } catch {
    throw new ConfigError(`${variable}_FILE: ${file} cannot be read`);
  }
}

function rejectUnknown(environment: Readonly<Record<string, string | undefined>>): void {
  const known = new Set(
    SETTING_NAMES.flatMap((name) => [environmentName(name), ...(secretOf(name) ? [`${environmentName(name)}_FILE`] : [])]),
  );
  const unknown = Object.keys(environment).find((key) => key.startsWith(PREFIX) && !known.has(key));
  if (unknown !== undefined) throw new ConfigError(`${unknown}: unknown setting; \`gapless config print\` lists all`);
}

function secretOf(name: SettingName): boolean {
  return (SETTINGS[name] as Setting<unknown>).secret === true;
}

/** `NAME=value` lines, secrets masked. */
export function printConfig(config: Config): string {
  return SETTING_NAMES.map((name) => {
    const value = config[name];
    const setting: Setting<unknown> = SETTINGS[name];
    const masked = setting.shown?.(String(value)) ?? (value === '' ? '' : '********');
    const shown = secretOf(name) ? masked : Array.isArray(value) ? value.join(',') : String(value);
    return `${environmentName(name)}=${shown}`;
  }).join('\n');
}
