import type { Topic } from '@gapless/core';

/**
 * `rt.room.r1` for the room r1. What a subject cannot carry is escaped as `%` and two hex digits, and `%` itself, so that no two topics
 * share a subject: white space and control characters, the wildcards, and dots that would leave a part of the subject empty.
 */
export function subjectOf({ kind, name }: Topic): string {
  return `${kind === 'room' || kind === 'user' ? 'rt' : 'gapless'}.${kind}.${name === '' ? EMPTY : escapeName(name)}`;
}

/** No escape has it: two digits follow there. */
const EMPTY = '%';

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const UNFIT = /[\u0000-\u0020\u007f%*>]|^\.|\.$|(?<=\.)\./g;

function escapeName(name: string): string {
  return name.replace(UNFIT, (char) => `%${char.charCodeAt(0).toString(16).padStart(2, '0')}`);
}
