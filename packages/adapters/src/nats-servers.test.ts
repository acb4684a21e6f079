import { expect, test } from 'vitest';
import { natsServers } from './nats-servers.ts';

test.each([
  ['nats://a:4222', { servers: ['a:4222'] }],
  ['nats://a:4222,b:4223,nats://c:1', { servers: ['a:4222', 'b:4223', 'c:1'] }],
  ['nats://ada:p%40ss@a:4222,b:4222', { servers: ['a:4222', 'b:4222'], user: 'ada', pass: 'p@ss' }],
  ['nats://to-ken@a:4222', { servers: ['a:4222'], token: 'to-ken' }],
  ['tls://a:4222', { servers: ['a:4222'], tls: {} }],
])('%s', (url, options) => {
  expect(natsServers(url)).toEqual(options);
});
