import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import { type JWK, SignJWT } from 'jose';
import { createVirtualClock } from '../../test/support/virtual-clock.ts';
import { type Access, allows, createServiceToken, createTokens, type Principal, ROLES } from './auth.ts';

function newKey(): JWK {
  return generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' }) as JWK;
}

const anna: Principal = { kind: 'user', name: 'anna', role: 'developer' };
const manager: Principal = { kind: 'service', name: 'node-manager' };
const unauthenticated = { code: 'AVK_UNAUTHENTICATED' };

test('each role may do what those before it may', () => {
  const users: Principal[] = ROLES.map((role) => ({ kind: 'user', name: 'x', role }));
  const table: Record<Access, boolean[]> = {
    open: [true, true, true],
    user: [true, true, true],
    developer: [false, true, true],
    admin: [false, false, true],
    service: [false, false, true],
  };
  for (const [access, expected] of Object.entries(table) as [Access, boolean[]][]) {
    assert.deepEqual(
      users.map((user) => allows(access, user)),
      expected,
      access,
    );
    assert.ok(allows(access, manager));
  }
});

test('knows whom a token was issued to', async () => {
  const clock = createVirtualClock();
  const tokens = await createTokens(newKey(), clock);
  for (const principal of [anna, manager]) {
    const { token, expiresAt } = await tokens.issue(principal, 60);
    assert.deepEqual(await tokens.verify(token), principal);
    assert.deepEqual(await tokens.verify(token), principal);
    assert.equal(expiresAt, clock.now() + 60_000);
  }
});

test('a token runs out to the second, also one that was just verified', async () => {
  const clock = createVirtualClock();
  const tokens = await createTokens(newKey(), clock);
  const { token } = await tokens.issue(anna, 60);
  await clock.advance(59_500);
  await tokens.verify(token);
  await clock.advance(500);
  await assert.rejects(tokens.verify(token), unauthenticated);
});

test('refuses what it did not sign, or not so', async () => {
  const clock = createVirtualClock();
  const key = newKey();
  const tokens = await createTokens(key, clock);
  const { token } = await tokens.issue(anna, 60);
  const [head = '', body = '', signature = ''] = token.split('.');
  const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const claims = JSON.parse(Buffer.from(body, 'base64url').toString()) as Record<string, unknown>;
  const other = await (await createTokens(newKey(), clock)).issue({ ...anna, role: 'admin' }, 60);
  for (const [about, forged] of Object.entries({
    empty: '',
    text: 'no token at all',
    'no signature': `${head}.${body}.`,
    'other claims': `${head}.${encode({ ...claims, role: 'admin' })}.${signature}`,
    'alg none': `${encode({ alg: 'none' })}.${encode({ ...claims, role: 'admin' })}.`,
    'another key': other.token,
  })) {
    await assert.rejects(tokens.verify(forged), unauthenticated, about);
  }
  const publicText = Buffer.from(JSON.stringify({ kty: key.kty, crv: key.crv, x: key.x }));
  const hmac = await new SignJWT(claims).setProtectedHeader({ alg: 'HS256' }).sign(publicText);
  await assert.rejects(tokens.verify(hmac), unauthenticated, 'HMAC with the public key');
});

test('refuses claims that are not complete, though signed with the key', async () => {
  const clock = createVirtualClock();
  const key = newKey();
  const tokens = await createTokens(key, clock);
  const now = Math.floor(clock.now() / 1000);
  const sign = (claims: Record<string, unknown>): Promise<string> =>
    new SignJWT(claims).setProtectedHeader({ alg: 'EdDSA' }).sign({ ...key, alg: 'EdDSA' } as JWK);
  const good = { iss: 'avishkar', sub: 'anna', kind: 'user', role: 'admin', exp: now + 60 };
  assert.deepEqual(await tokens.verify(await sign(good)), { kind: 'user', name: 'anna', role: 'admin' });
  const { exp: _exp, ...endless } = good;
  const { role: _role, ...roleless } = good;
  const { sub: _sub, ...nameless } = good;
  for (const claims of [
    endless,
    roleless,
    nameless,
    { ...good, role: 'root' },
    { ...good, kind: 'god' },
    { ...good, iss: 'elsewhere' },
    { ...good, exp: now - 1 },
  ]) {
    await assert.rejects(tokens.verify(await sign(claims)), unauthenticated, JSON.stringify(claims));
  }
});

test('many tokens do not make it forget how to verify', async () => {
  const clock = createVirtualClock();
  const tokens = await createTokens(newKey(), clock);
  for (let number = 0; number < 1100; number += 1) {
    const { token } = await tokens.issue({ kind: 'user', name: `u${number}`, role: 'user' }, 60);
    assert.equal((await tokens.verify(token)).name, `u${number}`);
  }
});

test("a service's token is kept, and renewed before it runs out", async () => {
  const clock = createVirtualClock();
  const tokens = await createTokens(newKey(), clock);
  const current = createServiceToken(tokens, 'node-manager', clock);
  const first = await current();
  assert.equal(await current(), first);
  await clock.advance(299_000);
  assert.equal(await current(), first);
  await clock.advance(2000);
  const second = await current();
  assert.notEqual(second, first);
  assert.deepEqual(await tokens.verify(second), manager);
  await clock.advance(3_600_000);
  assert.deepEqual(await tokens.verify(await current()), manager);
});
