import { spawn } from 'node:child_process';
import { seededRandom } from '@gapless/kit';
import { expect, test } from 'vitest';
import { openNamespace, tryNamespace } from '../namespace.ts';
import { missingAbility, missingRoot, missingTools } from '../tools.ts';
import { openLink, tryTun } from './link.ts';
import { CLEAN } from './profile.ts';
import { Shaper } from './shaper.ts';

// Goal: real packets between two networks have the fate that the seed decides. Method: UDP over the link, against the same decisions made here.

const missing = [...missingRoot(), ...missingTools('unshare', 'nsenter', 'ip', 'python3')];
if (missing.length === 0) missing.push(...missingAbility('no network namespace', tryNamespace), ...missingAbility('no TUN device', tryTun));

const [LEFT, RIGHT] = ['10.88.0.1', '10.88.0.2'];
const PACKETS = 200;
const LAST = 'last';
const PROFILE = { ...CLEAN, loss: 0.3, duplicate: 0.1, delayMs: 20, jitterMs: 10 };
const SEED = 5;

/** Says each datagram's text. */
const LISTENER = `
const socket = require('node:dgram').createSocket('udp4');
socket.on('message', (text) => console.log(String(text))).bind(9000, '${RIGHT}', () => console.log('listening'));
`;
const SENDER = `
const socket = require('node:dgram').createSocket('udp4');
const texts = process.argv.slice(1);
const next = () => texts.length === 0 ? socket.close() : socket.send(texts.shift(), 9000, '${RIGHT}', next);
next();
`;

test('packets have the fate that the seed decides', async (ctx) => {
  if (missing.length > 0) return ctx.skip(`not here: ${missing.join('; ')}`);
  const [left, right] = [await openNamespace(), await openNamespace()];
  ctx.onTestFinished(async () => {
    await left.remove();
    await right.remove();
  });
  const ends = { left: left.prefix, right: right.prefix, leftAddress: LEFT, rightAddress: RIGHT };
  const link = await openLink({ ...ends, seed: SEED });
  ctx.onTestFinished(() => link.close());

  const [enter, ...where] = right.prefix;
  const listener = spawn(enter!, [...where, process.execPath, '-e', LISTENER]);
  ctx.onTestFinished(() => void listener.kill('SIGKILL'));
  const heard: string[] = [];
  let waiting: () => void = () => {};
  listener.stdout.on('data', (chunk: Buffer) => {
    heard.push(...String(chunk).trim().split('\n'));
    waiting();
  });
  const until = async (text: string) => {
    while (!heard.includes(text)) await new Promise<void>((resolve) => (waiting = resolve));
  };
  await until('listening');

  const texts = Array.from({ length: PACKETS }, (_, index) => String(index));
  await link.set({ up: PROFILE });
  left.run(process.execPath, '-e', SENDER, ...texts);
  // What was sent is read a moment later.
  while ((await link.counts()).up.packets < PACKETS);
  // Leaves after all before it: the queue keeps order.
  await link.set({ up: { ...PROFILE, loss: 0, duplicate: 0 } });
  left.run(process.execPath, '-e', SENDER, LAST);
  await until(LAST);

  const shaper = new Shaper(PROFILE, seededRandom(SEED));
  const expected = texts.flatMap((text) => shaper.pass(1, 0).map(() => text));
  expect(heard).toEqual(['listening', ...expected, LAST]);
  const { up, down } = await link.counts();
  expect(up).toMatchObject({ packets: PACKETS + 1, lost: shaper.counts.lost, duplicated: shaper.counts.duplicated });
  expect(down.packets).toBe(0);
});
