import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AvkError } from '../../../domain/errors.ts';
import { type Manifest, manifestSchema } from '../../../domain/manifest.ts';
import { type AppFiles, buildArguments, renderDockerfile } from './dockerfile.ts';

const BASES = { node: 'node:24-slim', python: 'python:3.13-slim' };

function manifest(changes: Record<string, unknown> = {}): Manifest {
  return manifestSchema.parse({ name: 'probe', version: '1.0.0', runtime: 'node', entry: 'main.js', ...changes });
}

function files(texts: Record<string, string>): AppFiles {
  return { has: (path) => path in texts, text: (path) => texts[path] ?? null };
}

const packageJson = (content: object): string => JSON.stringify({ name: 'probe', ...content });
const rendered = (texts: Record<string, string>, changes: Record<string, unknown> = {}): string =>
  renderDockerfile(manifest(changes), files(texts), BASES);
/** What comes first of these. */
const order = (text: string, ...parts: string[]): void => {
  const at = parts.map((part) => text.indexOf(part));
  assert.ok(!at.includes(-1), text);
  assert.deepEqual(
    at,
    at.toSorted((a, b) => a - b),
    text,
  );
};
const COPY_ALL = 'COPY --chown=10001:10001 ["app/","/app/"]';

test('a Node app without dependencies is copied and run, and nothing is installed', () => {
  assert.equal(
    rendered({ 'main.js': '', 'package.json': packageJson({ devDependencies: { x: '1' } }) }),
    `FROM node:24-slim
LABEL avishkar.build=1
ENV LANG=C.UTF-8 HOME=/tmp TMPDIR=/tmp
COPY --chown=10001:10001 ["app/","/app/"]
WORKDIR /app
USER 10001:10001
ENV NODE_ENV=production
CMD ["node","main.js"]
`,
  );
});

test('the dependencies of a Node app are a layer below the app', () => {
  const asked = packageJson({ dependencies: { 'is-number': '7.0.0' } });
  const locked = rendered({ 'package.json': asked, 'package-lock.json': '{}', '.npmrc': '' });
  const copied = 'COPY --chown=10001:10001 ["app/package.json","app/package-lock.json","app/.npmrc","/app/"]';
  order(locked, copied, 'USER 10001', 'RUN npm ci --omit=dev', COPY_ALL, 'ENV NODE_ENV');
  order(rendered({ 'package.json': asked }), '["app/package.json","/app/"]', 'RUN npm install --omit=dev', COPY_ALL);
});

test('npm sees the whole app where it may need more than package.json', () => {
  const some = { dependencies: { x: '1.0.0' } };
  const whole: Record<string, string>[] = [
    { 'package.json': packageJson({ ...some, scripts: { postinstall: 'node build.js' } }) },
    { 'package.json': packageJson({ ...some, scripts: { prepare: 'node build.js' } }) },
    { 'package.json': packageJson({ ...some, workspaces: ['parts/*'] }) },
    { 'package.json': packageJson({ dependencies: { x: 'file:./x' } }) },
    { 'package.json': packageJson({ dependencies: { x: './x' } }) },
    { 'package.json': packageJson(some), 'package-lock.json': '{"packages":{"x":{"link":true}}}' },
    { 'package.json': packageJson(some), 'binding.gyp': '' },
    { 'package.json': packageJson(some), node_modules: '' },
  ];
  for (const each of whole) order(rendered(each), COPY_ALL, 'RUN npm ');
});

test('a package.json that npm could not read fails the build', () => {
  assert.throws(
    () => rendered({ 'package.json': '{"name":' }),
    (error: AvkError) => error.code === 'AVK_BUILD_FAILED',
  );
});

test('a Python app has its requirements in an environment of their own', () => {
  const python = { runtime: 'python', entry: 'main.py' };
  const plain = rendered({ 'main.py': '' }, python);
  assert.doesNotMatch(plain, /venv/);
  order(plain, 'FROM python:3.13-slim', 'PYTHONUNBUFFERED=1', COPY_ALL, 'USER 10001', 'CMD ["python3","-u","main.py"]');
  assert.doesNotMatch(rendered({ 'requirements.txt': '# none\n\n' }, python), /venv/);
  const install = 'RUN /venv/bin/python -I -m pip install';
  order(rendered({ 'requirements.txt': 'six==1.16.0\nrequests[socks] >= 2, < 3 # all\n' }, python), install, COPY_ALL);
  for (const line of ['-r more.txt', './lib', '-e .', 'git+https://example.com/x', 'x @ file:///app/x']) {
    order(rendered({ 'requirements.txt': `six\n${line}\n` }, python), COPY_ALL, install);
  }
});

test('a static app is served by our own server, which is told no secret', () => {
  const config = [{ key: 'ROOM' }, { key: 'KEY', secret: true }];
  const text = rendered({}, { runtime: 'static', entry: 'site/index.html', config });
  order(
    text,
    'FROM node:24-slim',
    '["avishkar/","/avishkar/"]',
    '["app/","/app/"]',
    'CMD ["node","/avishkar/static-server.mjs"',
  );
  const argv = JSON.parse(/^CMD (.*)$/m.exec(text)?.[1] ?? '');
  const told = { entry: 'site/index.html', address: '0.0.0.0', config: [{ key: 'ROOM', type: 'string' }] };
  assert.deepEqual(JSON.parse(argv[2]), told);
  const other = renderDockerfile(manifest({ runtime: 'static' }), files({}), { ...BASES, static: 'own/node:1' });
  assert.match(other, /^FROM own\/node:1\n/);
});

test('what an app is called cannot become an instruction', () => {
  const entry = 'a"]\nRUN ["rm\\n$HOME.js'.replaceAll('\\', '');
  const text = rendered({}, { entry });
  assert.equal(text.split('\n').filter((line) => line.startsWith('RUN')).length, 0);
  assert.deepEqual(JSON.parse(/^CMD (.*)$/m.exec(text)?.[1] ?? ''), ['node', entry]);
});

test('a base image that is no name is refused', () => {
  for (const node of ['', 'Node', 'node\nRUN x', '--platform=x node', 'a b']) {
    assert.throws(
      () => renderDockerfile(manifest(), files({}), { ...BASES, node }),
      (error: AvkError) => error.code === 'AVK_BAD_CONFIG',
    );
  }
});

test('builds are told the way to a registry, but no password and nothing of this machine', () => {
  assert.deepEqual(
    buildArguments({
      HTTPS_PROXY: 'http://proxy.example.com:3128',
      HTTP_PROXY: 'http://localhost:3128',
      no_proxy: 'localhost,127.0.0.1',
      npm_config_registry: 'https://npm.example.com/',
      PIP_INDEX_URL: 'https://user:secret@pip.example.com/',
      AWS_SECRET: 'x',
      PATH: '/bin',
    }),
    {
      HTTPS_PROXY: 'http://proxy.example.com:3128',
      no_proxy: 'localhost,127.0.0.1',
      NPM_CONFIG_REGISTRY: 'https://npm.example.com/',
    },
  );
});
