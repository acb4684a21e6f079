import { addressBlock, Throttle } from '@gapless/core';
import {
  ADDRESS_CONNECTS_BURST,
  ADDRESS_CONNECTS_PER_SEC,
  ADDRESS_FRAMES_BURST,
  ADDRESS_FRAMES_PER_SEC,
  CONNECTS_WAITING_MAX,
} from '@gapless/protocol';
import { Slices } from './slices.ts';

export interface AdmissionOptions {
  /** Of all kinds together. */
  maxConnections: number;
  /** Live connections of all kinds. */
  live(): number;
  /** Whether addresses are limited. */
  rateLimits: boolean;
  onLimited(): void;
  clock: { elapsed(): number };
}

export type Admitted = { readonly ok: true } | { readonly ok: false; readonly status: 429 | 503; readonly retryAfterMs: number };

/** Before a client that found the server full or flooded may try again. */
const FULL_RETRY_MS = 5_000;

/** The door for new connections of every transport: how many there may be, how often one address may come, and in which turns they get in. */
export class Admission {
  readonly #options: AdmissionOptions;
  readonly #slices = new Slices();
  readonly #connects = new Throttle({ attempts: ADDRESS_CONNECTS_PER_SEC, windowMs: 1_000, burst: ADDRESS_CONNECTS_BURST });

  constructor(options: AdmissionOptions) {
    this.#options = options;
  }

  /** Whether one more may come from this address. Those that wait inside count. */
  check(ip: string): Admitted {
    const { maxConnections, live, rateLimits, clock, onLimited } = this.#options;
    const { waiting } = this.#slices;
    if (live() + waiting >= maxConnections || waiting >= CONNECTS_WAITING_MAX)
      return { ok: false, status: 503, retryAfterMs: FULL_RETRY_MS };
    const retryAfterMs = rateLimits ? this.#connects.wait(addressBlock(ip), clock.elapsed()) : 0;
    if (retryAfterMs === 0) return { ok: true };
    onLimited();
    return { ok: false, status: 429, retryAfterMs };
  }

  /** Runs `enter` when its turn has come. */
  enter(enter: () => void): void {
    this.#slices.add(enter);
  }
}

/** Frames by address, all its connections together. */
export function addressFrames(): Throttle {
  return new Throttle({ attempts: ADDRESS_FRAMES_PER_SEC, windowMs: 1_000, burst: ADDRESS_FRAMES_BURST });
}
