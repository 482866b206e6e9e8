import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { ROOT } from '../support/platform.ts';

describe('engines that tests need', () => {
  /** What is said, and what an apt-get that ends with `status` was told. */
  function install(t: TestContext, options: { present: boolean; debian: boolean; status?: number }) {
    const folder = mkdtempSync(join(tmpdir(), 'avishkar-engines-'));
    t.after(() => rmSync(folder, { recursive: true }));
    const told = join(folder, 'told');
    const aptGet = join(folder, 'apt-get');
    writeFileSync(aptGet, `#!/bin/sh\necho "$@" >> ${told}\nexit ${options.status ?? 0}\n`);
    chmodSync(aptGet, 0o755);
    const program = `import { installEngines } from ${JSON.stringify(join(ROOT, 'bin/engines.mjs'))};
installEngines([{ name: 'an engine', present: () => ${options.present}, packages: ['engine', 'fuel'] }], ${options.debian});`;
    const { status, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
      encoding: 'utf8',
      env: { ...process.env, PATH: `${folder}:${process.env.PATH}` },
    });
    assert.equal(status, 0, stderr);
    return { stderr, told: existsSync(told) ? readFileSync(told, 'utf8').trim().split('\n') : [] };
  }

  test('what is missing is installed where that is possible', (t) => {
    const { stderr, told } = install(t, { present: false, debian: true });
    assert.match(stderr, /installing an engine/);
    assert.deepEqual(told, ['update -qq', 'install -y -qq --no-install-recommends engine fuel']);
  });

  test('what cannot be installed is said, and the tests run without it', (t) => {
    assert.match(install(t, { present: false, debian: true, status: 100 }).stderr, /an engine could not be installed/);
    const elsewhere = install(t, { present: false, debian: false });
    assert.match(elsewhere.stderr, /an engine is missing; what needs it is not tested/);
    assert.deepEqual(elsewhere.told, []);
  });

  test('what is there is left alone', (t) => {
    assert.deepEqual(install(t, { present: true, debian: true }), { stderr: '', told: [] });
  });
});
