// Text on its way to Postgres and back. What it cannot hold, or what stands between the items of a list, is written as an escape: U+0001
// and one more character. Everything else is stored as it is. `read` is applied to every value that comes back (connection.ts).

const ESCAPE = '\u0001';
/** Between the items of a list; string_to_array takes it apart several times quicker than an array literal with its quotes. */
const SEPARATOR = '\u0002';

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what it is about.
const SPECIAL = /[\u0000-\u0002]/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what it is about.
const SPECIALS = /[\u0000-\u0002]/g;

/** A value as it is stored; as a parameter, a column of `lists`, or within JSON. */
export function stored(value: string): string {
  // An empty item would be taken for none.
  if (value === '') return `${ESCAPE}e`;
  const whole = value.isWellFormed() ? value : value.toWellFormed();
  return SPECIAL.test(whole) ? whole.replace(SPECIALS, (char) => ESCAPE + char.charCodeAt(0)) : whole;
}

/** The value that `stored` wrote. */
export function read(text: string): string {
  if (!text.includes(ESCAPE)) return text;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what it is about.
  return text.replace(/\u0001(.)/g, (_, code: string) => (code === 'e' ? '' : String.fromCharCode(Number(code))));
}

/** Texts as one parameter for `textList`; undefined is NULL. */
export function texts(values: readonly (string | undefined)[]): string {
  return values.map((value) => (value === undefined ? '' : stored(value))).join(SEPARATOR);
}

/** Numbers as one parameter of an array type. */
export function numbers(values: readonly number[]): string {
  return `{${values.join(',')}}`;
}

/** SQL of the array that `texts` put into this parameter. */
export function textList(parameter: number): string {
  return `string_to_array($${parameter}, E'\\x02', '')`;
}

/** An array of numbers as it comes back; NULL is NaN. */
export function toNumbers(text: string | null): number[] {
  return text === null || text === '{}' ? [] : text.slice(1, -1).split(',').map(Number);
}
