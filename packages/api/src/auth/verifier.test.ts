import { createHmac, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TokenVerifier } from '@gapless/core';
import { FakeClock } from '@gapless/testkit';
import { CompactSign, exportJWK } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createTokenSigner } from './signer.ts';
import { createTokenVerifier } from './verifier.ts';

// Goal: nothing but a good token gets in. Method: a list of bad ones, each bad in one way, beside good ones made the same way.

const SECRET = 'a secret of the tests, thirty-two characters or more';
const clock = new FakeClock();
const NOW = clock.now() / 1_000;
const GOOD = { sub: 'ann', iat: NOW - 10, exp: NOW + 600 };

const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const otherRsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const ed = generateKeyPairSync('ed25519');

const encode = (value: unknown): string => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');

/** An HS256 token with whatever one likes in it. */
function hs256(claims: unknown, header: object = {}, secret: string | Buffer = SECRET): string {
  const input = `${encode({ alg: 'HS256', typ: 'JWT', ...header })}.${encode(claims)}`;
  return `${input}.${createHmac('sha256', secret).update(input).digest('base64url')}`;
}

const sign = (alg: string, key: KeyObject, kid: string, claims: object = GOOD): Promise<string> =>
  new CompactSign(Buffer.from(JSON.stringify(claims))).setProtectedHeader({ alg, kid }).sign(key);

const without = (claim: keyof typeof GOOD) => ({ ...GOOD, [claim]: undefined });

let issuer: Server;
let jwksUrl: string;
let verifier: TokenVerifier;
const withSecretOnly = createTokenVerifier({ secret: SECRET, clock, isRevoked: (sid) => sid === 'gone' });

beforeAll(async () => {
  const keys = await Promise.all(
    Object.entries({ rsa, ec, ed }).map(async ([kid, { publicKey }]) => ({ ...(await exportJWK(publicKey)), kid, use: 'sig' })),
  );
  // A key that must serve nothing: symmetric, in public.
  keys.push({ kty: 'oct', k: encode('published'), kid: 'oct', use: 'sig' });
  issuer = createServer((_request, response) => response.end(JSON.stringify({ keys })));
  await new Promise<void>((resolve) => issuer.listen(0, '127.0.0.1', resolve));
  jwksUrl = `http://127.0.0.1:${(issuer.address() as AddressInfo).port}/`;
  verifier = createTokenVerifier({ secret: SECRET, jwksUrl, clock, isRevoked: (sid) => sid === 'gone' });
});

afterAll(() => void issuer.close());

describe('good tokens', () => {
  test('the server’s own', async () => {
    const token = await createTokenSigner({ secret: SECRET }).sign({
      uid: 'ann',
      sid: 's1',
      name: 'Ann',
      at: clock.now(),
      expiresAt: clock.now() + 60_000,
    });
    expect(await verifier.verify(token)).toEqual({ uid: 'ann', sid: 's1', name: 'Ann', role: 'user', expiresAt: clock.now() + 60_000 });
  });

  test.each([
    ['the least there can be', GOOD, { uid: 'ann', role: 'user', expiresAt: GOOD.exp * 1_000 }],
    ['an admin', { ...GOOD, role: 'admin' }, { role: 'admin' }],
    ['64 characters', { ...GOOD, sub: 'x'.repeat(64) }, { uid: 'x'.repeat(64) }],
    ['not in ASCII', { ...GOOD, sub: '安娜' }, { uid: '安娜' }],
    ['an issuer whose clock is a minute ahead', { ...GOOD, iat: NOW + 60, nbf: NOW + 60 }, {}],
    ['a last second', { ...GOOD, exp: NOW + 1 }, {}],
    ['an empty name is none', { ...GOOD, name: '  ' }, {}],
    ['other claims', { ...GOOD, aud: 'x', scope: ['y'] }, {}],
  ])('%s', async (_name, claims, expected) => {
    expect(await verifier.verify(hs256(claims))).toMatchObject(expected);
  });

  test.each([
    ['RS256', rsa, 'rsa'],
    ['ES256', ec, 'ec'],
    ['EdDSA', ed, 'ed'],
  ])('%s by a published key', async (alg, { privateKey }, kid) => {
    expect(await verifier.verify(await sign(alg, privateKey, kid))).toMatchObject({ uid: 'ann' });
    await expect(withSecretOnly.verify(await sign(alg, privateKey, kid))).rejects.toMatchObject({ code: 'unauthorized' });
  });
});

describe('expired tokens say so', () => {
  test.each([
    ['long ago', { ...GOOD, exp: NOW - 1_000 }],
    ['just now', { ...GOOD, exp: NOW }],
  ])('%s', async (_name, claims) => {
    await expect(verifier.verify(hs256(claims))).rejects.toMatchObject({ code: 'token_expired' });
  });

  test('but not to someone without the key', async () => {
    await expect(verifier.verify(hs256({ ...GOOD, exp: NOW - 1 }, {}, 'another'))).rejects.toMatchObject({ code: 'unauthorized' });
  });
});

const publicPem = rsa.publicKey.export({ type: 'spki', format: 'pem' });
const [header, payload, signature] = hs256(GOOD).split('.') as [string, string, string];

const BAD: [string, string | (() => Promise<string>)][] = [
  ['nothing', ''],
  ['a word', 'token'],
  ['three words', 'a.b.c'],
  ['dots', '..'],
  ['no signature', `${header}.${payload}`],
  ['an empty signature', `${header}.${payload}.`],
  ['a fourth part', `${header}.${payload}.${signature}.x`],
  ['five parts, as encrypted ones have', `${header}.${payload}.${signature}.x.y`],
  ['half a signature', `${header}.${payload}.${signature.slice(0, 20)}`],
  ['another signature', `${header}.${payload}.${hs256({ ...GOOD, sub: 'bob' }).split('.')[2]}`],
  ['another payload', `${header}.${encode({ ...GOOD, sub: 'bob' })}.${signature}`],
  ['another header', `${encode({ alg: 'HS256', typ: 'JWT', kid: 'x' })}.${payload}.${signature}`],
  ['another secret', hs256(GOOD, {}, 'another secret')],
  ['an empty secret', hs256(GOOD, {}, '')],
  ['padding', `${header}.${payload}.${signature}=`],
  ['a space before', ` ${hs256(GOOD)}`],
  ['alg none', `${encode({ alg: 'none' })}.${payload}.`],
  ['alg none with a signature', hs256(GOOD, { alg: 'none' })],
  ['alg None', `${encode({ alg: 'None' })}.${payload}.`],
  ['alg empty', hs256(GOOD, { alg: '' })],
  ['alg missing', hs256(GOOD, { alg: undefined })],
  ['alg a list', hs256(GOOD, { alg: ['HS256'] })],
  ['alg in small letters', hs256(GOOD, { alg: 'hs256' })],
  ['HS384 of the same secret', hs256(GOOD, { alg: 'HS384' })],
  ['HS512 of the same secret', hs256(GOOD, { alg: 'HS512' })],
  ['RS256 in the header, HMAC beneath', hs256(GOOD, { alg: 'RS256', kid: 'rsa' })],
  ['the public key as HMAC secret', hs256(GOOD, {}, publicPem)],
  ['the public key as HMAC secret, by kid', hs256(GOOD, { kid: 'rsa' }, publicPem)],
  ['a published symmetric key', hs256(GOOD, { kid: 'oct' }, 'published')],
  ['RS256 of another key under a known kid', () => sign('RS256', otherRsa.privateKey, 'rsa')],
  ['RS256 with an unknown kid', () => sign('RS256', otherRsa.privateKey, 'unknown')],
  ['ES256 under the kid of RSA', () => sign('ES256', ec.privateKey, 'rsa')],
  ['PS256, which is not on the list', () => sign('PS256', rsa.privateKey, 'rsa')],
  ['RS384, which is not on the list', () => sign('RS384', rsa.privateKey, 'rsa')],
  ['header jwk', hs256(GOOD, { jwk: { kty: 'oct', k: encode('mine') } })],
  ['header jku', hs256(GOOD, { jku: 'http://127.0.0.1/keys' })],
  ['header x5u', hs256(GOOD, { x5u: 'http://127.0.0.1/cert' })],
  ['header x5c', hs256(GOOD, { x5c: ['MIIB'] })],
  ['header zip', hs256(GOOD, { zip: 'DEF' })],
  ['header typ of a sign-out', hs256(GOOD, { typ: 'logout+jwt' })],
  ['header typ a list', hs256(GOOD, { typ: [] })],
  ['header crit', hs256(GOOD, { crit: ['exp'] })],
  ['header b64', hs256(GOOD, { crit: ['b64'], b64: false })],
  ['a header that is no JSON', `${encode('{')}.${payload}.${signature}`],
  ['a header that is a list', `${encode('[]')}.${payload}.${signature}`],
  ['a payload that is no JSON', hs256('{')],
  ['a payload that is null', hs256('null')],
  ['a payload that is a list', hs256([GOOD])],
  ['a payload that is text', hs256('"ann"')],
  ['no sub', hs256(without('sub'))],
  ['sub empty', hs256({ ...GOOD, sub: '' })],
  ['sub of 65 characters', hs256({ ...GOOD, sub: 'x'.repeat(65) })],
  ['sub a number', hs256({ ...GOOD, sub: 7 })],
  ['sub a list', hs256({ ...GOOD, sub: ['ann'] })],
  ['sub with a line break', hs256({ ...GOOD, sub: 'a\nb' })],
  ['sub with NUL', hs256({ ...GOOD, sub: 'ann\0' })],
  ['sub with half a character', hs256({ ...GOOD, sub: '\ud800' })],
  ['no exp', hs256(without('exp'))],
  ['exp as text', hs256({ ...GOOD, exp: String(GOOD.exp) })],
  ['exp null', hs256({ ...GOOD, exp: null })],
  ['exp beyond time', hs256(`{"sub":"ann","iat":1,"exp":1e400}`)],
  ['exp negative', hs256({ ...GOOD, exp: -1 })],
  ['no iat', hs256(without('iat'))],
  ['iat as text', hs256({ ...GOOD, iat: 'now' })],
  ['iat in the future', hs256({ ...GOOD, iat: NOW + 61 })],
  ['nbf in the future', hs256({ ...GOOD, nbf: NOW + 61 })],
  ['nbf as text', hs256({ ...GOOD, nbf: 'later' })],
  ['role unknown', hs256({ ...GOOD, role: 'root' })],
  ['role in capitals', hs256({ ...GOOD, role: 'ADMIN' })],
  ['role a list', hs256({ ...GOOD, role: ['admin'] })],
  ['role null', hs256({ ...GOOD, role: null })],
  ['name an object', hs256({ ...GOOD, name: {} })],
  ['sid a number', hs256({ ...GOOD, sid: 1 })],
  ['sid empty', hs256({ ...GOOD, sid: '' })],
  ['sid revoked', hs256({ ...GOOD, sid: 'gone' })],
  ['more than 8 KB', hs256({ ...GOOD, filler: 'x'.repeat(8_192) })],
];

describe('bad tokens', () => {
  test.each(BAD)('%s', async (_name, token) => {
    await expect(verifier.verify(typeof token === 'string' ? token : await token())).rejects.toMatchObject({
      name: 'ChatError',
      code: 'unauthorized',
      message: 'No, bad or revoked token.',
    });
  });
});

test('an issuer that does not answer lets nobody in, and calls no token bad', async () => {
  const unreachable = createTokenVerifier({ secret: SECRET, jwksUrl: 'http://127.0.0.1:1/', clock, isRevoked: () => false });
  const refusal = { code: 'server_busy', retryAfterMs: 5_000 };
  await expect(unreachable.verify(await sign('RS256', rsa.privateKey, 'rsa'))).rejects.toMatchObject(refusal);
  await unreachable.verify(hs256(GOOD));
});

describe('an issuer of several apps', () => {
  const forUs = { ...GOOD, iss: 'https://id.example', aud: ['other', 'chat'] };
  const addressed = { issuer: 'https://id.example', audience: 'chat' };

  test.each([
    ['for us', forUs, undefined],
    ['for us alone', { ...forUs, aud: 'chat' }, undefined],
    ['for another', { ...forUs, aud: ['other'] }, 'unauthorized'],
    ['for nobody', { ...forUs, aud: undefined }, 'unauthorized'],
    ['from another', { ...forUs, iss: 'https://id.example.org' }, 'unauthorized'],
    ['from nobody', { ...forUs, iss: undefined }, 'unauthorized'],
  ])('%s', async (_name, claims, code) => {
    const strict = createTokenVerifier({ secret: SECRET, jwksUrl, addressed, clock, isRevoked: () => false });
    const verified = strict.verify(await sign('ES256', ec.privateKey, 'ec', claims));
    if (code === undefined) expect(await verified).toMatchObject({ uid: 'ann' });
    else await expect(verified).rejects.toMatchObject({ code });
    expect(await strict.verify(hs256(GOOD))).toMatchObject({ uid: 'ann' });
  });
});
