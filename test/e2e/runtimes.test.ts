import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type Api, signIn } from '../support/api.ts';
import type { Files } from '../support/apps.ts';
import { eventually } from '../support/eventually.ts';
import { buildProcesses, imagesOf } from '../support/machine.ts';
import { embeddedOnly, type Home, newHome, startPlatform, type TestPlatform } from '../support/platform.ts';
import { appProcesses, commandLineOf, processesBelow } from '../support/processes.ts';
import { refused } from './http.support.ts';

const CONFIG = [
  { key: 'ROOM', default: 'Hall' },
  { key: 'LIMIT', type: 'number', default: 8 },
  { key: 'NIGHT', type: 'boolean', default: false },
  { key: 'API_KEY', secret: true, required: true },
];
/** What is downloaded: the VMs of a fleet have no way to a registry. */
const download = embeddedOnly('there is no way to a registry');
const SECRET = 'planted-9f2c';
const SETTINGS = { ROOM: 'Küche "1"', LIMIT: 4.5, NIGHT: true, API_KEY: SECRET };

const PYTHON = `
import http.server, json, os, signal, sys

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps({key: os.environ.get(key) for key in ('ROOM', 'LIMIT', 'NIGHT', 'API_KEY', 'AVISHKAR_REPLICA')})
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_):
        pass

def stop(*_):
    print('bye')
    sys.exit(0)

signal.signal(signal.SIGTERM, stop)
print('serving', os.environ['AVISHKAR_INSTANCE'])
http.server.ThreadingHTTPServer(('', int(os.environ['PORT'])), Handler).serve_forever()
`;

function pythonApp(name: string, more: Files = {}): Files {
  const manifest = { name, version: '1.0.0', config: CONFIG, health: { path: '/health', startSeconds: 20 } };
  return { 'app.json': JSON.stringify(manifest), 'main.py': PYTHON, ...more };
}

describe('runtimes', () => {
  let home: Home;
  let platform: TestPlatform;
  let api: Api;

  before(async () => {
    home = newHome();
    platform = await startPlatform({ home });
    api = await signIn(platform.url);
  });

  after(async () => {
    assert.ok(!platform.output().includes(SECRET));
    assert.equal(await platform.stop(), 0, platform.output());
    assert.deepEqual(processesBelow(home.directory), []);
    home.remove();
  });

  async function logged(name: string, wanted: string | RegExp): Promise<void> {
    await eventually(async () => {
      const { lines } = await api.get<{ lines: { line: string }[] }>(`/api/deployedApps/${name}/logs`);
      return lines.some(({ line }) => (typeof wanted === 'string' ? line === wanted : wanted.test(line)));
    });
  }

  async function scaleToTwo(name: string): Promise<void> {
    await api.post('/api/deployedApps/scale/', { instanceName: name, replicas: 2 });
    await eventually(
      async () => {
        const { replicas } = await api.instance(name);
        return replicas.length === 2 && replicas.every(({ state }) => state === 'healthy');
      },
      { deadlineMs: 30_000 },
    );
  }

  async function stop(name: string): Promise<void> {
    await api.stop(name);
    await api.reaches(name, 'stopped');
    assert.deepEqual(
      appProcesses(home.directory).filter(({ instance }) => instance === name),
      [],
    );
  }

  test('a Python app is served, told its settings, logged, scaled and stopped', async () => {
    await api.provide(pythonApp('snake'));
    const name = await api.deploy('snake', { config: SETTINGS });
    const { endpoint } = await api.reaches(name, 'running');
    const told = (await (await fetch(`${endpoint}/`)).json()) as Record<string, string>;
    assert.deepEqual(told, {
      ROOM: 'Küche "1"',
      LIMIT: '4.5',
      NIGHT: 'true',
      API_KEY: SECRET,
      AVISHKAR_REPLICA: `${name}_instance_1`,
    });
    await logged(name, `serving ${name}`);
    await scaleToTwo(name);
    const seen = new Set<string | undefined>();
    await eventually(async () => {
      const response = await fetch(`${endpoint}/`, { headers: { connection: 'close' } });
      seen.add(((await response.json()) as Record<string, string>).AVISHKAR_REPLICA);
      return seen.size === 2;
    });
    await stop(name);
  });

  test('the bundle of an instance has its settings with it, typed, with defaults, and the secret ones sealed', async () => {
    await api.provide(pythonApp('settled'));
    const name = await api.deploy('settled', { config: { LIMIT: 4, API_KEY: SECRET } });
    await api.reaches(name, 'running');
    const blobs = join(home.directory, 'blobs', 'deployedApps');
    const keys = readdirSync(join(blobs, 'keys', name)).sort();
    assert.deepEqual(keys, ['1.settings.json@', '1.zip@']);
    const { data } = JSON.parse(readFileSync(join(blobs, 'keys', name, keys[0] ?? ''), 'utf8')) as { data: string };
    const settings = JSON.parse(readFileSync(join(blobs, 'data', data), 'utf8'));
    assert.deepEqual(settings.values, { ROOM: 'Hall', LIMIT: 4, NIGHT: false });
    assert.deepEqual(Object.keys(settings.sealed), ['API_KEY']);
    assert.match(settings.sealed.API_KEY, /^avk1\./);
    const { config } = await api.get<{ config: unknown }>(`/api/deployedApps/${name}`);
    assert.deepEqual(config, { ROOM: 'Hall', LIMIT: 4, NIGHT: false, API_KEY: '********' });
    await stop(name);
    await eventually(
      () => !existsSync(join(blobs, 'keys', name)) || readdirSync(join(blobs, 'keys', name)).length === 0,
    );
  });

  test('a static app is served, tells its page its settings but for the secret ones, is scaled and stopped', async () => {
    const files = {
      'app.json': JSON.stringify({ name: 'page', version: '1.0.0', config: CONFIG }),
      'index.html': '<!doctype html><title>page</title>',
      'main.js': 'export const here = true;',
    };
    await api.provide(files);
    const name = await api.deploy('page', { config: SETTINGS });
    const { endpoint } = await api.reaches(name, 'running');
    const page = await fetch(`${endpoint}/`);
    assert.deepEqual([page.status, await page.text()], [200, files['index.html']]);
    assert.match((await fetch(`${endpoint}/main.js`)).headers.get('content-type') ?? '', /javascript/);
    assert.equal((await fetch(`${endpoint}/app.json`)).status, 404);
    const { API_KEY: _secret, ...open } = SETTINGS;
    assert.deepEqual(await (await fetch(`${endpoint}/avishkar-config.json`)).json(), open);
    // In a container it is the app's own port, elsewhere the machine's.
    await logged(name, new RegExp(`^serving ${name} on port \\d+$`));
    await scaleToTwo(name);
    await stop(name);
  });

  test('requirements are installed by pip', { ...download, timeout: 180_000 }, async () => {
    const main = PYTHON.replace("print('serving'", "import six\nprint('six', six.__version__)\nprint('serving'");
    await api.provide(pythonApp('needs-six', { 'requirements.txt': 'six==1.16.0\n', 'main.py': main }));
    const name = await api.deploy('needs-six', { config: { API_KEY: 'k' } });
    const { endpoint } = await api.reaches(name, 'running', 150_000);
    assert.equal((await fetch(`${endpoint}/`)).status, 200);
    await logged(name, 'six 1.16.0');
    const build = await api.get<{ lines: { line: string }[] }>(`/api/deployedApps/${name}/logs?build=true`);
    assert.ok(build.lines.some(({ line }) => line.includes('Successfully installed six-1.16.0')));
    await stop(name);
  });

  test('a requirement that does not exist fails the build with the last lines of pip', {
    ...download,
    timeout: 180_000,
  }, async () => {
    await api.provide(pythonApp('needs-nothing-real', { 'requirements.txt': 'six==999.0\n' }));
    const name = await api.deploy('needs-nothing-real', { config: { API_KEY: 'k' } });
    const { reason, lastLogLines = [] } = await api.reaches(name, 'failed', 150_000);
    assert.match(reason ?? '', /pip install failed with exit code 1/);
    assert.match(lastLogLines.join('\n'), /No matching distribution found for six==999\.0/);
  });

  test('a cancel while pip installs ends pip and all it started', { timeout: 180_000 }, async () => {
    const slow = {
      'requirements.txt': './slow\n',
      'slow/pyproject.toml': '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n',
      'slow/backend.py': `import subprocess, time
subprocess.Popen(['sleep', '600'], start_new_session=True)
time.sleep(600)`,
    };
    await api.provide(pythonApp('slow-snake', slow));
    const name = await api.deploy('slow-snake', { config: { API_KEY: 'k' } });
    const sleeping = (): boolean =>
      buildProcesses(home, platform.pid).some((pid) => commandLineOf(pid).join(' ') === 'sleep 600');
    await eventually(sleeping, { deadlineMs: 120_000 });
    await api.post('/api/deployedApps/cancel/', { instanceName: name });
    await api.reaches(name, 'cancelled');
    await eventually(() => buildProcesses(home, platform.pid).length === 0);
    assert.deepEqual(imagesOf(home, 'slow-snake'), []);
  });

  const here = embeddedOnly('there is Docker');
  test(
    'an app with a Dockerfile is taken, and its deployment refused at once where there is no Docker',
    here,
    async () => {
      const files = { 'app.json': '{"name": "boxed", "version": "1.0.0"}', Dockerfile: 'FROM scratch\n' };
      const uploaded = await api.upload(files);
      assert.equal(uploaded.status, 201);
      assert.equal(((await uploaded.json()) as { manifest: { runtime: string } }).manifest.runtime, 'dockerfile');
      const answer = await api.request('POST', '/api/deployedApps/deployApp/', { appName: 'boxed' });
      const problem = await refused(answer, 422, 'AVK_RUNTIME_UNSUPPORTED');
      assert.match(problem.detail, /need machines with Docker.*node, python, static/);
      assert.equal(problem.errors[0]?.path, 'runtime');
      assert.deepEqual(
        (await api.instances()).filter(({ instanceName }) => instanceName.startsWith('boxed')),
        [],
      );
    },
  );
});
