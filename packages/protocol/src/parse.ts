import { Compile } from 'typebox/compile';
import type { ErrorCode } from './codes.ts';
import type { DownFrameOf } from './down.ts';
import { UP_SCHEMAS, type UpFrame, type UpType } from './up.ts';

export type Ref = NonNullable<DownFrameOf<'error'>['ref']>;

export type Parsed = { ok: true; frame: UpFrame } | { ok: false; code: ErrorCode & ('bad_frame' | 'unknown_type'); msg: string; ref?: Ref };

const validators = new Map((Object.keys(UP_SCHEMAS) as UpType[]).map((t) => [t, Compile(UP_SCHEMAS[t])] as const));

/** A decoded value as a frame, or the error that says which field does not fit. */
export function parseUpFrame(value: unknown): Parsed {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return bad('a frame is an object');
  const t = (value as { t?: unknown }).t;
  if (typeof t !== 'string') return bad('t: must be a string');
  const validator = validators.get(t as UpType);
  if (validator === undefined)
    return { ok: false, code: 'unknown_type', msg: `t: "${t.slice(0, 32)}" is not known`, ref: { t: t.slice(0, 32) } };
  if (validator.Check(value)) return { ok: true, frame: value as UpFrame };
  const [first] = validator.Errors(value);
  return bad(describe(first), refOf(value as Record<string, unknown>, t));
}

function bad(msg: string, ref?: Ref): Parsed {
  return ref === undefined ? { ok: false, code: 'bad_frame', msg } : { ok: false, code: 'bad_frame', msg, ref };
}

interface SchemaError {
  instancePath: string;
  message: string;
  keyword?: string;
  params?: unknown;
}

/** `field.sub: what is wrong`. */
export function describe(error: SchemaError | undefined): string {
  if (error === undefined) return 'does not fit its schema';
  const missing = (error.params as { requiredProperties?: string[] } | undefined)?.requiredProperties?.[0];
  const path = [error.instancePath.slice(1).replaceAll('/', '.'), missing ?? ''].filter(Boolean).join('.');
  return `${path || 'frame'}: ${missing === undefined ? error.message : 'is required'}`;
}

/** What of a frame can be named in an answer, whatever else is wrong with it. */
export function refOf(frame: object, t: string): Ref {
  const ref: Ref = { t };
  for (const key of ['cid', 'mid', 'opId'] as const) {
    const value = (frame as Record<string, unknown>)[key];
    if (typeof value === 'string' && value.length <= 64) ref[key] = value;
  }
  return ref;
}
