import { BODY_MAX_DEPTH } from './limits.ts';

/**
 * JSON with sorted keys: equal values give equal text, whatever wrote them. For values out of a codec.
 * @throws RangeError when nested deeper than BODY_MAX_DEPTH, or with the key `__proto__`, which some decoders refuse
 */
export function canonicalJson(value: unknown, depth = 0): string {
  if (value === null || typeof value !== 'object') return JSON.stringify(value) ?? 'null';
  if (depth >= BODY_MAX_DEPTH) throw new RangeError(`nested deeper than ${BODY_MAX_DEPTH}`);
  if (Array.isArray(value)) return `[${value.map((item) => canonicalJson(item, depth + 1)).join(',')}]`;
  if (Object.hasOwn(value, '__proto__')) throw new RangeError('the key __proto__ is not allowed');
  const fields = Object.keys(value)
    .sort()
    .map((key) => `${JSON.stringify(key)}:${canonicalJson((value as Record<string, unknown>)[key], depth + 1)}`);
  return `{${fields.join(',')}}`;
}
