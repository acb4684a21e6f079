import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';

const NAMES = [
  'accept',
  'admit',
  'backlog',
  'bar',
  'begin',
  'close',
  'end',
  'epochs',
  'hold',
  'intend',
  'lock',
  'open',
  'pending',
  'reclaim',
  'saved',
  'state',
  'tails',
  'unlock',
] as const;

export type ScriptName = (typeof NAMES)[number];

/** `lua/*.lua`, each behind `common.lua`. */
export const SCRIPTS = NAMES.map((name) => ({ name, source: `${lua('common')}\n${lua(name)}` }));

const SHA = new Map(SCRIPTS.map(({ name, source }) => [name, createHash('sha1').update(source).digest('hex')]));

export function shaOf(name: ScriptName): string {
  return SHA.get(name)!;
}

function lua(name: string): string {
  return readFileSync(new URL(`./lua/${name}.lua`, import.meta.url), 'utf8');
}
