import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { zipFolder } from './zip-folder.ts';

describe('zipFolder', () => {
  let folder: string;
  const put = (path: string, text = path): void => {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  };
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'avishkar-zip-'));
    put('app.json', '{}');
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  test('leaves out dependencies, dotfiles, and what .avishkarignore names', async () => {
    for (const path of [
      'main.js',
      '.env',
      '.git/config',
      'node_modules/a/index.js',
      'lib/node_modules/b.js',
      '.dockerignore',
    ])
      put(path);
    for (const path of ['data/big.bin', 'lib/data/kept.txt', 'lib/x.log', 'deep/x.log', 'lib/a.js']) put(path);
    put('.avishkarignore', '# big ones\n/data/big.bin\n\nx.log  # everywhere\nlib/data/\n');
    const { files, unpackedBytes } = await zipFolder(folder);
    assert.deepEqual(files, ['.dockerignore', 'app.json', 'lib/a.js', 'main.js']);
    assert.equal(unpackedBytes, '.dockerignore'.length + 2 + 'lib/a.js'.length + 'main.js'.length);
  });

  test('the same folder gives the same bytes, whatever its times', async () => {
    put('bin/run.sh', '#!/bin/sh');
    chmodSync(join(folder, 'bin/run.sh'), 0o755);
    const pack = async (): Promise<Buffer> => buffer((await zipFolder(folder)).open());
    const before = await pack();
    utimesSync(join(folder, 'app.json'), 1_000_000_000, 1_000_000_000);
    assert.ok(before.equals(await pack()));
    put('app.json', '{ }');
    assert.equal(before.equals(await pack()), false);
  });

  test('a folder without app.json, and links, are refused by name', async () => {
    symlinkSync('/etc/hostname', join(folder, 'link'));
    await assert.rejects(zipFolder(folder), /link is a link.*\.avishkarignore/);
    rmSync(join(folder, 'app.json'));
    await assert.rejects(zipFolder(folder), /has no app\.json/);
  });

  test('the sample app fits', async () => {
    const { files } = await zipFolder(fileURLToPath(new URL('../../examples/room-comfort', import.meta.url)));
    assert.deepEqual(files, ['README.md', 'app.json', 'comfort.js', 'main.js', 'page.html', 'readings.js']);
  });
});
