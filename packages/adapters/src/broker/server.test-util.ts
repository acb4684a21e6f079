import type { Broker } from '@gapless/core';
import type { NotHere, RunningService } from '@gapless/testkit';
import { brokerContract, type Skip } from '@gapless/testkit/contract';
import { afterAll, describe, test } from 'vitest';

interface Variant {
  open: (url: string) => Promise<Broker>;
  skip?: readonly Skip[];
}

/** The contract on a real server, and what else there is to prove there; or one test that says why not. */
export function onServer(
  name: string,
  server: RunningService | NotHere,
  variants: Readonly<Record<string, Variant>>,
  more: (server: RunningService) => void = () => {},
): void {
  if ('reason' in server) {
    describe(`Broker / ${name}`, () => test('has its server', (ctx) => ctx.skip(server.reason)));
    return;
  }
  afterAll(() => server.remove());
  const outage = { begin: () => server.kill(), end: () => server.start() };
  for (const [variant, { open, skip }] of Object.entries(variants)) brokerContract(variant, { open: () => open(server.url), outage }, skip);
  more(server);
}
