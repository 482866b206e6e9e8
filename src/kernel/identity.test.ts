import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import type { JWK } from 'jose';
import { createVirtualClock } from '../../test/support/virtual-clock.ts';
import { AvkError } from '../domain/errors.ts';
import { createTokens } from './auth.ts';
import { type Credential, createIdentity, type Verdict } from './identity.ts';

const unauthenticated = { code: 'AVK_UNAUTHENTICATED' };
const ANNA: Verdict = { name: 'anna', role: 'developer', expiresAt: null };
const CI: Verdict = { ...ANNA, token: { id: '1', name: 'ci' }, scopes: ['read'] };
const API_TOKEN = `avk_0123456789abcdef_${'x'.repeat(43)}`;

/** An identity whose authenticator answers as told. */
async function lab() {
  const clock = createVirtualClock();
  const key = generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' }) as JWK;
  const tokens = await createTokens(key, clock);
  const asked: Credential[] = [];
  const authenticator: { answer: Verdict | null; works: boolean } = { answer: ANNA, works: true };
  const identity = createIdentity(
    tokens,
    async (credential) => {
      asked.push(credential);
      await turn();
      if (!authenticator.works) throw new AvkError('AVK_DEADLINE', 'authenticator did not answer');
      return authenticator.answer;
    },
    clock,
  );
  const { token } = await tokens.issue({ kind: 'user', name: 'anna', role: 'developer', session: 's1' }, 3600);
  return { clock, tokens, identity, identify: identity.identify, asked, authenticator, token };
}

test('a login token is good as long as its session goes on, which is asked once in a while and not each time', async () => {
  const { clock, identity, identify, asked, authenticator, token } = await lab();
  const anna = { kind: 'user', name: 'anna', role: 'developer', session: 's1' };
  const many = Promise.all(Array.from({ length: 100 }, () => identity.identify(token)));
  for (const principal of await many) assert.deepEqual(principal, anna);
  assert.deepEqual(asked, [{ session: 's1' }]);
  authenticator.answer = null;
  await clock.advance(9000);
  await assert.rejects(identify(token), unauthenticated);
  assert.equal(asked.length, 2);
});

test('an ended session is refused within ten seconds by whoever was asked all the time', async () => {
  const { clock, identify, authenticator, token } = await lab();
  await identify(token);
  authenticator.answer = null;
  const begun = clock.now();
  let refusedAfter = Number.POSITIVE_INFINITY;
  while (clock.now() - begun < 12_000 && refusedAfter === Number.POSITIVE_INFINITY) {
    await identify(token).catch(() => {
      refusedAfter = clock.now() - begun;
    });
    await clock.advance(50);
  }
  assert.ok(refusedAfter < 10_000, `after ${refusedAfter} ms`);
});

test('a stopped authenticator locks nobody out who has a good signature, and is not asked by every request', async () => {
  const { clock, tokens, identify, asked, authenticator, token } = await lab();
  authenticator.works = false;
  for (let count = 0; count < 10; count += 1) assert.equal((await identify(token)).name, 'anna');
  assert.equal(asked.length, 1);
  await assert.rejects(identify(`${token.slice(0, -4)}AAAA`), unauthenticated);
  const { token: short } = await tokens.issue({ kind: 'user', name: 'anna', role: 'user', session: 's2' }, 1);
  await clock.advance(1500);
  await assert.rejects(identify(short), unauthenticated);
  // What was known to be ended before stays so.
  authenticator.works = true;
  authenticator.answer = null;
  await clock.advance(5000);
  await assert.rejects(identify(token), unauthenticated);
  authenticator.works = false;
  await clock.advance(6000);
  await assert.rejects(identify(token), unauthenticated);
});

test('an API token is what the authenticator says it is', async () => {
  const { clock, identify, asked, authenticator } = await lab();
  authenticator.answer = CI;
  const ci = { kind: 'user', name: 'anna', role: 'developer', token: { id: '1', name: 'ci' }, scopes: ['read'] };
  assert.deepEqual(await identify(API_TOKEN), ci);
  assert.deepEqual(asked, [{ apiToken: API_TOKEN }]);
  authenticator.answer = null;
  await clock.advance(9000);
  await assert.rejects(identify(API_TOKEN), unauthenticated);
});

test('an API token runs out to the second, also one that was just looked at', async () => {
  const { clock, identify, authenticator } = await lab();
  authenticator.answer = { ...CI, expiresAt: clock.now() + 2000 };
  await identify(API_TOKEN);
  await clock.advance(2000);
  await assert.rejects(identify(API_TOKEN), unauthenticated);
});

test('while the authenticator is silent a known API token goes on, an unknown one is 503', async () => {
  const { clock, identify, authenticator } = await lab();
  authenticator.answer = CI;
  await identify(API_TOKEN);
  authenticator.works = false;
  await clock.advance(60_000);
  assert.equal((await identify(API_TOKEN)).name, 'anna');
  await assert.rejects(identify(`${API_TOKEN.slice(0, -1)}y`), { code: 'AVK_SERVICE_UNAVAILABLE' });
});

test('what a session is good for is not a token, and the other way round', async () => {
  const { identify, authenticator } = await lab();
  // A verdict without a token: the authenticator speaks of something else.
  authenticator.answer = ANNA;
  await assert.rejects(identify(API_TOKEN), unauthenticated);
});

test('guessed API tokens do not fill the memory, nor make it forget how to tell', async () => {
  const { identity, identify, authenticator, token } = await lab();
  await identify(token);
  authenticator.answer = null;
  const guesses = Array.from({ length: 6000 }, (_, n) => identity.identify(`avk_${n}`));
  const settled = Promise.allSettled(guesses);
  for (const { status } of await settled) assert.equal(status, 'rejected');
  authenticator.answer = ANNA;
  assert.equal((await identify(token)).name, 'anna');
});

test('services need nobody’s word', async () => {
  const { tokens, identity, asked } = await lab();
  const { token } = await tokens.issue({ kind: 'service', name: 'node-manager' }, 60);
  assert.deepEqual(await identity.identify(token), { kind: 'service', name: 'node-manager' });
  assert.equal(asked.length, 0);
});
