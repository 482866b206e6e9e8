import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { readManifest } from './app-json.ts';
import { AvkError } from './errors.ts';
import type { Manifest } from './manifest.ts';

const NAMED = { name: 'web', version: '1.0.0' };

function read(appJson: unknown, files: readonly string[] = ['main.js'], packageJson: unknown = null): Manifest {
  return readManifest({
    files: new Set(['app.json', ...files]),
    appJson: typeof appJson === 'string' ? appJson : JSON.stringify(appJson),
    packageJson:
      packageJson === null ? null : typeof packageJson === 'string' ? packageJson : JSON.stringify(packageJson),
  });
}

function refusal(act: () => unknown): AvkError {
  try {
    act();
  } catch (error) {
    assert.ok(error instanceof AvkError, String(error));
    assert.equal(error.code, 'AVK_BAD_MANIFEST');
    return error;
  }
  assert.fail('it was accepted');
}

describe('runtime and entry are detected', () => {
  const rows: [what: string, files: string[], packageJson: unknown, runtime: string, entry: string][] = [
    [
      'a Dockerfile before all else',
      ['Dockerfile', 'package.json', 'main.py', 'index.html'],
      {},
      'dockerfile',
      'Dockerfile',
    ],
    ['package.json before Python', ['package.json', 'main.js', 'main.py'], {}, 'node', 'main.js'],
    [
      "package.json's main",
      ['package.json', 'lib/serve.js', 'main.js'],
      { main: './lib/serve.js' },
      'node',
      'lib/serve.js',
    ],
    [
      "package.json's start script before its main",
      ['package.json', 'a.js', 'b.js'],
      { main: 'a.js', scripts: { start: 'node b.js' } },
      'node',
      'b.js',
    ],
    [
      'a start script that is more than node FILE is no entry',
      ['package.json', 'index.js'],
      { scripts: { start: 'NODE_ENV=x node b.js' } },
      'node',
      'index.js',
    ],
    ['a main that is not there', ['package.json', 'server.js'], { main: 'gone.js' }, 'node', 'server.js'],
    ['requirements.txt', ['requirements.txt', 'app.py'], null, 'python', 'app.py'],
    ['main.py before app.py', ['app.py', 'main.py'], null, 'python', 'main.py'],
    ['Python before a page', ['app.py', 'index.html'], null, 'python', 'app.py'],
    ['JavaScript without package.json', ['index.mjs', 'style.css'], null, 'node', 'index.mjs'],
    ['a page with its script', ['index.html', 'main.js'], null, 'static', 'index.html'],
    ['a page', ['index.html', 'style.css'], null, 'static', 'index.html'],
  ];
  for (const [what, files, packageJson, runtime, entry] of rows) {
    test(what, () => {
      const manifest = read(NAMED, files, packageJson);
      assert.deepEqual([manifest.runtime, manifest.entry], [runtime, entry]);
    });
  }

  test('what app.json says wins', () => {
    const files = ['Dockerfile', 'package.json', 'main.js', 'main.py'];
    assert.equal(read({ ...NAMED, runtime: 'python' }, files).entry, 'main.py');
    assert.equal(read({ ...NAMED, runtime: 'node', entry: 'main.py' }, files).entry, 'main.py');
  });

  test('the kind of the entry decides where nothing else does', () => {
    assert.equal(read({ ...NAMED, entry: 'src/x.ts' }, ['src/x.ts']).runtime, 'node');
    assert.equal(read({ ...NAMED, entry: 'src/x.py' }, ['src/x.py']).runtime, 'python');
    assert.equal(read({ ...NAMED, entry: 'public/x.html' }, ['public/x.html']).runtime, 'static');
  });

  test('the kind of the entry decides before package.json, and not before a Dockerfile', () => {
    const files = ['package.json', 'x.py', 'x.html'];
    assert.equal(read({ ...NAMED, entry: 'x.py' }, files).runtime, 'python');
    assert.equal(read({ ...NAMED, entry: 'x.html' }, files).runtime, 'static');
    assert.equal(read({ ...NAMED, entry: 'x.py' }, [...files, 'Dockerfile']).runtime, 'dockerfile');
  });

  test('a runtime without a file to start with says which were looked for', () => {
    const error = refusal(() => read(NAMED, ['requirements.txt', 'server.py']));
    assert.match(error.message, /^app\.json: entry: expected the file to start with.*main\.py, app\.py$/);
    assert.equal(error.errors[0]?.path, 'entry');
  });
});

describe('older forms', () => {
  test("the starting document's", () => {
    const manifest = read({
      applicationName: 'aqapp',
      applicationDescription: 'air quality',
      sensorTypes: { 'SR-AQ': ['Temperature', 'CO2'], 'SR-WM': ['Flow'] },
      location: { 'SR-AQ': ['Vindhya'] },
      applicationType: ['notify'],
      applicationTypeInstance: { 'SR-AQ': '3' },
    });
    assert.deepEqual(
      [manifest.name, manifest.version, manifest.description, manifest.runtime],
      ['aqapp', '1.0.0', 'air quality', 'node'],
    );
    assert.deepEqual(manifest.sensors, [
      { slot: 'slot1', vertical: 'SR-AQ', sensors: ['Temperature', 'CO2'], count: 3 },
      { slot: 'slot2', vertical: 'SR-WM', sensors: ['Flow'], count: 1 },
    ]);
  });

  test('the one with app_name and entry_point', () => {
    const manifest = read({ app_name: 'old', entry_point: 'run.py', anything: 'else' }, ['run.py']);
    assert.deepEqual(
      [manifest.name, manifest.version, manifest.runtime, manifest.entry],
      ['old', '1.0.0', 'python', 'run.py'],
    );
  });

  test("with today's fields beside theirs", () => {
    const more = { health: { path: '/up' }, config: [{ key: 'ROOM' }], port: 9000, env: { A: '1' } };
    for (const older of [{ applicationName: 'old' }, { app_name: 'old' }]) {
      const manifest = read({ ...older, ...more });
      assert.deepEqual(
        [manifest.health?.path, manifest.config[0]?.key, manifest.port, manifest.env],
        ['/up', 'ROOM', 9000, { A: '1' }],
      );
    }
  });

  test('are refused by field, too', () => {
    for (const field of ['sensorTypes', 'applicationTypeInstance']) {
      const error = refusal(() => read({ applicationName: 'ok', [field]: ['CO2'] }));
      assert.deepEqual(error.errors, [
        { path: field, message: 'expected an object, vertical by vertical', received: '["CO2"]' },
      ]);
    }
    assert.match(refusal(() => read({ applicationName: '1bad' })).message, /app\.json: name:/);
    assert.match(
      refusal(() => read({ applicationName: 'ok', sensorTypes: { A: 'x' } })).message,
      /sensors\.0\.sensors/,
    );
  });
});

describe('a refusal names the field, what was expected and what was there', () => {
  const rows: [field: string, wrong: Record<string, unknown>][] = [
    ['name', { name: '9lives' }],
    ['name', { name: 'deployApp' }],
    ['name', { name: undefined }],
    ['version', { version: undefined }],
    ['version', { version: 'one two' }],
    ['runtime', { runtime: 'cobol' }],
    ['entry', { entry: '../main.js' }],
    ['entry', { entry: '/main.js' }],
    ['entry', { entry: 'a\\b.js' }],
    ['entry', { entry: 'gone.js' }],
    ['port', { port: '8050' }],
    ['port', { port: 0 }],
    ['port', { port: 65_536 }],
    ['env.PORT', { env: { PORT: '1' } }],
    ['env.A', { env: { A: 5 } }],
    ['config.0.key', { config: [{ key: 'NODE_OPTIONS' }] }],
    ['config.0.type', { config: [{ key: 'A', type: 'date' }] }],
    ['config.1.key', { config: [{ key: 'A' }, { key: 'A' }] }],
    ['config.0.values', { config: [{ key: 'A', type: 'enum' }] }],
    ['config.0.default', { config: [{ key: 'A', type: 'number', default: 'warm' }] }],
    ['config.0.default', { config: [{ key: 'A', type: 'number', default: 5, max: 4 }] }],
    ['config.0.default', { config: [{ key: 'A', type: 'enum', values: ['x'], default: 'y' }] }],
    ['sensors.0.slot', { sensors: [{ slot: '1', vertical: 'V', sensors: ['S'] }] }],
    ['sensors.0.sensors', { sensors: [{ slot: 'a', vertical: 'V', sensors: [] }] }],
    [
      'sensors.1.slot',
      {
        sensors: [
          { slot: 'a', vertical: 'V', sensors: ['S'] },
          { slot: 'a', vertical: 'W', sensors: ['S'] },
        ],
      },
    ],
    ['resources.cpus', { resources: { cpus: 0 } }],
    ['resources.memoryMb', { resources: { memoryMb: 1.5 } }],
    ['health.path', { health: { path: 'health' } }],
    ['health.failures', { health: { path: '/', failures: 0 } }],
    ['stopSeconds', { stopSeconds: -1 }],
    ['scale.min', { scale: { min: 3, max: 2 } }],
    ['scale.max', { scale: { max: 101 } }],
    ['', { prot: 8050 }],
    ['scale', { scale: { minimum: 1 } }],
  ];
  for (const [field, wrong] of rows) {
    test(`${field || 'the whole'}: ${JSON.stringify(wrong)}`, () => {
      const error = refusal(() => read({ ...NAMED, ...wrong }));
      assert.ok(
        error.errors.some(({ path }) => path === field),
        `${field} is among ${error.errors.map(({ path }) => path)}`,
      );
      assert.ok(error.errors.every(({ message }) => message.length > 5));
      assert.match(error.message, /^app\.json: /);
    });
  }

  test('with the value, shortened', () => {
    const { errors } = refusal(() => read({ ...NAMED, name: 'x'.repeat(500) }));
    assert.ok(errors[0]?.received?.startsWith('"xxx'));
    assert.ok((errors[0]?.received?.length ?? 999) <= 100);
  });

  test('all of them at once', () => {
    const { errors } = refusal(() => read({ name: '', version: '', port: 'x' }));
    assert.deepEqual(errors.map(({ path }) => path).sort(), ['name', 'port', 'version']);
  });
});

describe('what is no manifest', () => {
  const rows: [unknown, RegExp][] = [
    ['{', /app\.json is not JSON/],
    ['[]', /expected an object, not an array/],
    ['null', /expected an object, not null/],
    ['5', /expected an object, not 5/],
  ];
  for (const [text, expected] of rows) {
    test(`${text}`, () => assert.match(refusal(() => read(text)).message, expected));
  }

  test('none at all, a broken package.json, nothing to run', () => {
    const none = { files: new Set(['main.js']), appJson: null, packageJson: null };
    assert.match(refusal(() => readManifest(none)).message, /app\.json is missing/);
    assert.match(refusal(() => read(NAMED, ['package.json'], '{')).message, /package\.json is not JSON/);
    assert.match(refusal(() => read(NAMED, ['data.csv'])).message, /runtime: expected it, or a Dockerfile/);
    assert.match(refusal(() => read({ ...NAMED, runtime: 'node' }, ['x.txt'])).message, /app\.json: entry/);
  });

  test('a byte order mark does no harm', () => {
    assert.equal(read(`\uFEFF${JSON.stringify(NAMED)}`).name, 'web');
  });
});

test('only name and version are required; the rest has the defaults of the contract', () => {
  const { runtime: _runtime, entry: _entry, ...rest } = read(NAMED);
  assert.deepEqual(rest, {
    ...NAMED,
    description: '',
    port: 8050,
    env: {},
    config: [],
    sensors: [],
    resources: { cpus: 0.5, memoryMb: 256 },
    stopSeconds: 10,
    maxBodyMb: 0,
    scale: { min: 1, max: 5, cpuPercent: 80, memoryPercent: 75 },
  });
  assert.deepEqual(read({ ...NAMED, health: { path: '/h' } }).health, {
    path: '/h',
    intervalSeconds: 2,
    timeoutSeconds: 2,
    startSeconds: 30,
    failures: 3,
  });
});
