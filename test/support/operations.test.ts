import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { operationName, recordOperations, uncalledOperations } from './operations.ts';
import { ROOT } from './platform.ts';

/** A service with routes of each kind, called by somebody from outside and by another service. */
const SERVICE = `
import { generateKeyPairSync } from 'node:crypto';
import { Registry } from 'prom-client';
import { z } from 'zod';
import { systemClock } from '${ROOT}src/adapters/clock/system.ts';
import { createTokens } from '${ROOT}src/kernel/auth.ts';
import { createHttpApp } from '${ROOT}src/kernel/http/app.ts';
const tokens = await createTokens(generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' }), systemClock);
const silent = () => undefined;
const app = await createHttpApp({
  title: 'Test', version: '0', description: '', service: 'test', tokens, metrics: new Registry(),
  log: { debug: silent, info: silent, warn: silent, error: silent }, recentLogLines: () => [],
});
const schema = { params: z.object({ name: z.string().max(3) }) };
for (const [path, access] of [['/public/:name', 'user'], ['/relayed/:name', 'user'], ['/internal/:name', 'service'], ['/never/:name', 'user']])
  app.get(path, { config: { access, scope: 'deploy' }, schema }, async () => 'ok');
const user = (await tokens.issue({ kind: 'user', name: 'u', role: 'user' }, 60)).token;
const service = (await tokens.issue({ kind: 'service', name: 's' }, 60)).token;
const ask = (url, token) => app.inject({ url, headers: token ? { authorization: 'Bearer ' + token } : {} });
await ask('/public/a', user);
await ask('/relayed/a', service);
await ask('/internal/a', service);
await ask('/never/a');
await ask('/never/too-long', user);
await ask('/nowhere', user);
await app.close();
`;

test('what is called from outside counts, what services ask of one another only on routes of their own', () => {
  const folder = mkdtempSync(join(tmpdir(), 'avishkar-records-'));
  try {
    assert.equal(uncalledOperations(folder), null, 'nothing was put down');
    const flags = ['--disable-warning=ExperimentalWarning', '--import', join(ROOT, 'test/support/record-calls.mjs')];
    execFileSync(process.execPath, [...flags, '--input-type=module', '-e', SERVICE], {
      cwd: ROOT,
      env: { ...process.env, NODE_OPTIONS: '', AVISHKAR_TEST_RECORDS: folder },
    });
    assert.equal(readdirSync(folder).filter((file) => file.startsWith('calls-')).length, 1);
    const names = ['public', 'relayed', 'internal', 'never'].map((route) =>
      operationName('test', 'get', `/${route}/:name`),
    );
    recordOperations(names, folder);
    assert.deepEqual(uncalledOperations(folder), ['test GET /never/{name}', 'test GET /relayed/{name}']);
    recordOperations(['test GET /never/{name}'], folder);
    assert.equal(uncalledOperations(folder)?.length, 2, 'listed twice is listed once');
  } finally {
    rmSync(folder, { recursive: true });
  }
});
