import type { DownFrame } from '@gapless/protocol';
import type { Stage } from '../stage.ts';

const HALF_HOUR_SEC = 1_800;
/** A server looks at its tokens once a second. */
const ANSWER_MS = 10_000;
const USER = 'drill-probe';

/** A bare connection that says nothing but who it is. */
export interface Probe {
  /** `ready`, codes of errors, and the code it was closed with, in order. */
  readonly told: readonly string[];
  /** Resolves when it was told that. */
  wait(what: (told: readonly string[]) => boolean, withinMs: number): Promise<boolean>;
  close(): void;
}

/** Asks each node with a token that is good for half an hour by our clock: a node whose clock is an hour ahead has to call it expired. */
export async function judgeTokens(stage: Stage, jumps: readonly number[]): Promise<void> {
  for (const [n, seconds] of jumps.entries()) {
    const expired = seconds > HALF_HOUR_SEC;
    const answers = { http: await overHttp(stage, n), webSocket: await overWebSocket(stage, n) };
    const expected = expired ? { http: '401 token_expired', webSocket: 'token_expired, 4401' } : { http: '200', webSocket: 'ready' };
    for (const road of ['http', 'webSocket'] as const)
      if (answers[road] !== expected[road])
        stage.broken(`node ${n}, ${seconds} s off, answers a token of half an hour with ${answers[road]}, not ${expected[road]} (${road})`);
    if (expired) stage.note(`expired token at node ${n}: ${answers.http}; ${answers.webSocket}`);
  }
}

/** Connects to a node with this token. */
export function openProbe({ cluster }: Stage, n: number, token: string): Probe {
  const socket = new WebSocket(`${cluster.urls[n]!.replace(/^http/, 'ws')}/ws`, 'gapless.v1.json');
  const told: string[] = [];
  let changed = () => {};
  const tell = (what: string) => {
    told.push(what);
    changed();
  };
  socket.onopen = () => socket.send(JSON.stringify({ t: 'auth', jwt: token, device: USER }));
  socket.onclose = ({ code }) => tell(String(code));
  socket.onmessage = ({ data }) => {
    const frames = JSON.parse(data as string) as DownFrame | DownFrame[];
    for (const frame of Array.isArray(frames) ? frames : [frames]) {
      if (frame.t === 'error') tell(frame.code);
      else if (frame.t === 'ready') tell('ready');
    }
  };
  return {
    told,
    wait: (what, withinMs) =>
      new Promise((resolve) => {
        const timer = setTimeout(() => resolve(false), withinMs);
        changed = () => {
          if (!what(told)) return;
          clearTimeout(timer);
          resolve(true);
        };
        changed();
      }),
    close() {
      socket.onclose = null;
      socket.close();
    },
  };
}

/** Good for half an hour by our clock, and made so early that a clock that is behind takes it. */
function shortToken({ cluster }: Stage): string {
  return cluster.token(USER, 'user', { fromSec: -4 * HALF_HOUR_SEC, untilSec: HALF_HOUR_SEC });
}

async function overHttp(stage: Stage, n: number): Promise<string> {
  const response = await fetch(`${stage.cluster.urls[n]}/v1/me`, { headers: { authorization: `Bearer ${shortToken(stage)}` } });
  const { code } = (await response.json()) as { code?: string };
  return [response.status, ...(code === undefined ? [] : [code])].join(' ');
}

/** What a connection with that token is told until it is ready, or closed. */
async function overWebSocket(stage: Stage, n: number): Promise<string> {
  const probe = openProbe(stage, n, shortToken(stage));
  await probe.wait((told) => told.includes('ready') || /^\d+$/.test(told.at(-1) ?? ''), ANSWER_MS);
  probe.close();
  return probe.told.join(', ');
}
