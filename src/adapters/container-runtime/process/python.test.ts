import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { eventually } from '../../../../test/support/eventually.ts';
import type { AvkError } from '../../../domain/errors.ts';
import { listProcesses, readEnviron } from '../../host/proc.ts';
import type { ProcessRuntimeOptions } from './runtime.ts';
import { containerSpec, createProcessHarness, ensureApp, manifestWith, type ProcessHarness } from './test-support.ts';

const manifest = manifestWith({ runtime: 'python', entry: 'main.py' });
const signal = new AbortController().signal;
const FOLDER = 'probe@1.0.0-0a1b2c3d';

async function harnessFor(t: TestContext, changes: Partial<ProcessRuntimeOptions> = {}): Promise<ProcessHarness> {
  const harness = await createProcessHarness(changes);
  t.after(() => harness.cleanup());
  return harness;
}

/** A folder with a program of that name, and the PATH that leads to it before all others. */
function withProgram(t: TestContext, name: string, script: string): { folder: string; PATH: string } {
  const folder = mkdtempSync(join(tmpdir(), 'avishkar-path-'));
  t.after(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, name), script);
  chmodSync(join(folder, name), 0o755);
  return { folder, PATH: `${folder}:${process.env.PATH}` };
}

/** Runs the app until it has printed JSON. */
async function printed<T>(harness: ProcessHarness): Promise<T> {
  const spec = await containerSpec('r1', { manifest, env: { ROOM: 'Küche' } });
  await harness.runtime.start(spec, { signal });
  const line = await eventually(
    async () => {
      for await (const each of harness.runtime.logs('r1', { tail: 50, follow: false, signal })) {
        if (each.line.startsWith('{')) return each.line;
      }
      return null;
    },
    { deadlineMs: 20_000 },
  );
  return JSON.parse(line) as T;
}

const TELLS = `
import json, os, sys, time
try:
    import six
    version = six.__version__
except ImportError:
    version = None
print(json.dumps({'prefix': sys.prefix, 'executable': sys.executable, 'six': version, 'env': dict(os.environ)}))
time.sleep(600)
`;
interface Told {
  prefix: string;
  executable: string;
  six: string | null;
  env: Record<string, string>;
}

test('an app without requirements gets an environment of its own, without pip', async (t) => {
  const harness = await harnessFor(t);
  for (const [name, requirements] of [
    ['none', {}],
    ['only comments', { 'requirements.txt': '\uFEFF# nothing yet\r\n\r\n  # really\n' }],
  ] as const) {
    await harness.runtime.removeImage('probe:1.0.0-0a1b2c3d');
    assert.deepEqual(await ensureApp(harness.runtime, { 'main.py': TELLS, ...requirements }, { manifest }), [], name);
  }
  const folder = join(harness.home, 'images', FOLDER);
  const told = await printed<Told>(harness);
  assert.equal(told.prefix, join(folder, 'venv'));
  assert.equal(told.executable, join(folder, 'venv', 'bin', 'python'));
  assert.equal(told.six, null);
  assert.equal(told.env.ROOM, 'Küche');
  assert.equal(told.env.PYTHONUNBUFFERED, '1');
  assert.equal(told.env.PYTHONDONTWRITEBYTECODE, '1');
  assert.equal(told.env.NODE_ENV, undefined);
  assert.ok(told.env.PATH?.startsWith(join(folder, 'venv', 'bin')));
  assert.ok(!existsSync(join(folder, 'venv', 'bin', 'pip')));
});

test('installs requirements into the environment, where its programs stay usable', { timeout: 180_000 }, async (t) => {
  const environment = { ...process.env, PIP_INDEX_SECRET: 'x', ADMIN_PASSWORD: 's3cr3t' };
  const harness = await harnessFor(t, { environment });
  // What the app has beside it must not be taken for Python's own.
  const files = { 'main.py': TELLS, 'email.py': 'raise SystemExit(9)', 'requirements.txt': 'six==1.16.0\n' };
  const said = await ensureApp(harness.runtime, files, { manifest });
  assert.ok(
    said.some((line) => /Successfully installed six-1\.16\.0/.test(line)),
    said.join('\n'),
  );
  const folder = join(harness.home, 'images', FOLDER);
  assert.deepEqual((await readdir(folder)).sort(), ['app', 'build.log', 'image.json', 'venv']);
  const pip = readFileSync(join(folder, 'venv', 'bin', 'pip'), 'utf8');
  assert.ok(pip.includes(join(folder, 'venv', 'bin')), 'the programs of the environment name the place it is at');
  const told = await printed<Told>(harness);
  assert.equal(told.six, '1.16.0');
  for (const name of Object.keys(told.env)) assert.doesNotMatch(name, /^PIP_|PROXY$|ADMIN/i);
});

test('a requirement that does not exist fails with the words of pip', { timeout: 180_000 }, async (t) => {
  const { runtime, home } = await harnessFor(t);
  const files = { 'main.py': '', 'requirements.txt': 'six==999.0\n' };
  await assert.rejects(ensureApp(runtime, files, { manifest }), (error: AvkError) => {
    assert.equal(error.code, 'AVK_BUILD_FAILED');
    assert.equal(error.message, 'pip install failed with exit code 1.');
    assert.match(error.lastLogLines.join('\n'), /No matching distribution found for six==999\.0/);
    return true;
  });
  assert.deepEqual(await readdir(join(home, 'images')), []);
});

test('pip gets the settings of the operator, and nothing else of the platform', async (t) => {
  const operator = mkdtempSync(join(tmpdir(), 'avishkar-operator-'));
  t.after(() => rmSync(operator, { recursive: true }));
  mkdirSync(join(operator, '.config', 'pip'), { recursive: true });
  mkdirSync(join(operator, '.cache', 'pip'), { recursive: true });
  writeFileSync(join(operator, '.config', 'pip', 'pip.conf'), '[global]\n');
  // Stands for python3: makes an "environment" whose python writes down what it is told.
  const fake = `#!/bin/sh
mkdir -p "$4/bin" && printf '#!/bin/sh\\nenv; echo "told: $*"\\n' > "$4/bin/python" && chmod +x "$4/bin/python"`;
  const { PATH } = withProgram(t, 'python3', fake);
  const environment = { PATH, HOME: operator, PIP_INDEX_URL: 'http://index.test/simple', ADMIN_PASSWORD: 's3cr3t' };
  const harness = await harnessFor(t, { environment: { ...environment, HTTPS_PROXY: 'http://proxy.test:3128' } });
  const said = await ensureApp(harness.runtime, { 'main.py': '', 'requirements.txt': 'six' }, { manifest });
  const env = Object.fromEntries(said.map((line) => line.split(/=(.*)/s)));
  assert.equal(env.PIP_INDEX_URL, 'http://index.test/simple');
  assert.equal(env.HTTPS_PROXY, 'http://proxy.test:3128');
  assert.equal(env.PIP_CONFIG_FILE, join(operator, '.config', 'pip', 'pip.conf'));
  assert.equal(env.PIP_CACHE_DIR, join(operator, '.cache', 'pip'));
  assert.equal(env.ADMIN_PASSWORD, undefined);
  assert.ok(env.HOME?.startsWith(harness.home));
});

test('says what to install when Python is missing, or cannot make environments', async (t) => {
  const without = await harnessFor(t, { environment: { PATH: '/nowhere' } });
  const { PATH } = withProgram(t, 'python3', '#!/bin/sh\necho No module named ensurepip; exit 1');
  const crippled = await harnessFor(t, { environment: { PATH } });
  for (const [{ runtime }, why] of [
    [without, /as Python is not installed on the machine: install python3 with its venv module/],
    [crippled, /cannot make virtual environments: install python3 with its venv module.*python3-venv/],
  ] as const) {
    for (const requirements of ['', 'six']) {
      const files = { 'main.py': '', 'requirements.txt': requirements };
      await assert.rejects(ensureApp(runtime, files, { manifest }), (error: AvkError) => {
        assert.equal(error.code, 'AVK_RUNTIME_UNSUPPORTED');
        assert.match(error.message, why);
        return true;
      });
      assert.deepEqual(await runtime.listImages(), []);
    }
  }
});

test('a pip install that is aborted ends with all it started', { timeout: 180_000 }, async (t) => {
  const { runtime, home } = await harnessFor(t);
  const files = {
    'main.py': '',
    'requirements.txt': './hangs\n',
    'hangs/setup.py': `import subprocess, time
subprocess.Popen(['sleep', '600'], start_new_session=True)
open('../../started', 'w').close()
time.sleep(600)`,
    'hangs/pyproject.toml': '[build-system]\nrequires = []\nbuild-backend = "slow"\nbackend-path = ["."]\n',
    'hangs/slow.py': 'import setup',
  };
  const abort = new AbortController();
  const work = ensureApp(runtime, files, { manifest, signal: abort.signal });
  work.catch(() => undefined);
  const builders = async (): Promise<number[]> => {
    const pids = (await listProcesses()).map(({ pid }) => pid);
    return pids.filter((pid) => readEnviron(pid)?.some((entry) => entry.startsWith(`AVISHKAR_BUILD=${home}/`)));
  };
  await eventually(() => existsSync(join(home, 'images', FOLDER, 'started')), { deadlineMs: 120_000 });
  assert.ok((await builders()).length >= 3);
  abort.abort(new Error('cancelled by the user'));
  await assert.rejects(work, /cancelled by the user/);
  assert.deepEqual(await builders(), []);
  assert.deepEqual(await readdir(join(home, 'images')), []);
});
