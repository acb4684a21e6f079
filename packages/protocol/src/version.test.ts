import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { canonicalJson } from './canonical.ts';
import { CLOSE, ERRORS } from './codes.ts';
import { DOWN_SCHEMAS } from './down.ts';
import { UP_SCHEMAS } from './up.ts';
import { HISTORY, PROTOCOL_VERSION } from './version.ts';

// Goal: the contract does not change unnoticed. Method: its hash stands in the history beside the version it belongs to.
test('the contract is the one of the newest version', () => {
  const contract = JSON.parse(JSON.stringify({ up: UP_SCHEMAS, down: DOWN_SCHEMAS, errors: ERRORS, close: CLOSE }));
  const digest = createHash('sha256').update(canonicalJson(contract)).digest('hex');
  const newest = HISTORY.at(-1)!;
  expect(newest.version).toBe(PROTOCOL_VERSION);
  expect(newest.digest, 'the schemas, errors or close codes changed: add a line to HISTORY in version.ts').toBe(digest);
});

test('what PROTOCOL fixes by name is there', () => {
  expect(Object.keys(UP_SCHEMAS)).toEqual('auth join sync leave pull send ack read typing edit recall react presence call ping'.split(' '));
  expect(Object.keys(DOWN_SCHEMAS)).toEqual(
    'ready joined message ack delivered read typing change conversation presence behind head call kick goaway pong error'.split(' '),
  );
  const codes =
    'bad_frame unknown_type unknown_user unauthorized token_expired forbidden not_participant muted blocked mid_conflict too_large rate_limited server_busy store_unavailable';
  const http = [400, 400, 400, 401, 401, 403, 403, 403, 403, 409, 413, 429, 503, 503];
  expect(codes.split(' ').map((code) => ERRORS[code as keyof typeof ERRORS].http)).toEqual(http);
  expect(Object.values(CLOSE).map(({ code }) => code)).toEqual([1001, 1009, 1013, 4400, 4401, 4403, 4408, 4409, 4429]);
});
