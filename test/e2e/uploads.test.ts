import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type Api, signIn } from '../support/api.ts';
import { webApp } from '../support/apps.ts';
import { patch, rename, setIfThere, zipWith } from '../support/bad-zips.ts';
import { eventually } from '../support/eventually.ts';
import { type Home, newHome, startPlatform, type TestPlatform } from '../support/platform.ts';
import { zipOf } from '../support/zip.ts';
import { refused } from './http.support.ts';

const MIB = 1024 * 1024;
const APP = { 'app.json': '{"name": "odd", "version": "1.0.0"}', 'main.js': '' };

/** A zip whose app.json says this. */
const saying = (manifest: unknown, more: Record<string, string> = { 'main.js': '' }): Promise<Buffer> =>
  zipOf({ 'app.json': typeof manifest === 'string' ? manifest : JSON.stringify(manifest), ...more });
const named = (name: unknown): Promise<Buffer> => saying({ name, version: '1.0.0' });
/** A zip with a member of this name beside the app. */
async function holding(name: string): Promise<Buffer> {
  const placeholder = 'Q'.repeat(name.length);
  return rename(await zipOf({ ...APP, [placeholder]: 'x' }), placeholder, name);
}
const lying = async (size: number): Promise<Buffer> =>
  patch(await zipWith({ a: { data: 'hello '.repeat(100) } }), (bytes, { field }) =>
    setIfThere(bytes, field(24), size, 4),
  );
const many = (count: number): Promise<Buffer> =>
  zipOf({ ...APP, ...Object.fromEntries(Array.from({ length: count }, (_, n) => [`f${n}`, ''])) });
const cut = async (bytes: number): Promise<Buffer> => (await zipOf(APP)).subarray(0, -bytes);

/** What is uploaded, how it is answered, and what the answer says. */
const REFUSED: Record<string, [() => Promise<Buffer>, number, string, RegExp]> = {
  'what is no zip': [async () => Buffer.from('<html>not found</html>'), 422, 'AVK_BAD_ZIP', /not a zip/],
  'an empty file': [async () => Buffer.alloc(0), 422, 'AVK_BAD_ZIP', /the file is empty/],
  'an empty zip': [() => zipOf({}), 422, 'AVK_BAD_ZIP', /holds no files/],
  'a truncated zip': [() => cut(30), 422, 'AVK_BAD_ZIP', /cut off/],
  'a zip without its last byte': [() => cut(1), 422, 'AVK_BAD_ZIP', /cut off/],
  'a path with ..': [() => holding('../../etc/passwd'), 422, 'AVK_BAD_ZIP', /leads out/],
  'an absolute path': [() => holding('/etc/passwd'), 422, 'AVK_BAD_ZIP', /absolute path/],
  'a path with a drive': [() => holding('C:/windows/x'), 422, 'AVK_BAD_ZIP', /absolute path/],
  'a path with a backslash': [() => holding('..\\..\\x'), 422, 'AVK_BAD_ZIP', /backslash/],
  'a path with NUL': [() => holding('a\0b'), 422, 'AVK_BAD_ZIP', /NUL/],
  'a file name of 300 characters': [() => holding('n'.repeat(300)), 422, 'AVK_BAD_ZIP', /longer than 255 bytes/],
  'a link': [
    () => zipWith({ 'app.json': { data: APP['app.json'] }, link: { data: '/etc/passwd', mode: 0o120777 } }),
    422,
    'AVK_BAD_ZIP',
    /link or a special file/,
  ],
  'too many entries': [() => many(10_000), 422, 'AVK_BAD_ZIP', /more than 10,000 entries/],
  'a ratio bomb': [
    () => zipWith({ 'app.json': { data: APP['app.json'] }, zeros: { data: Buffer.alloc(3 * MIB) } }),
    422,
    'AVK_BAD_ZIP',
    /times its size; the limit is 200/,
  ],
  'a size that says too little': [() => lying(10), 422, 'AVK_BAD_ZIP', /larger than the 10 bytes/],
  'a size that says too much': [() => lying(601), 422, 'AVK_BAD_ZIP', /says it has 601/],
  'more than the limit, packed': [
    () => zipWith({ big: { data: randomBytes(2 * MIB + 1), compress: false } }),
    413,
    'AVK_TOO_LARGE',
    /limit of 2,097,152 bytes/,
  ],
  'more than the limit, unpacked': [
    () => zipWith({ big: { data: randomBytes(500).toString('hex').repeat(4500) } }),
    422,
    'AVK_BAD_ZIP',
    /unpacks to more than the limit of 4,194,304 bytes/,
  ],
  'app.json twice': [
    async () => rename(await zipOf({ ...APP, 'bpp.json': '{}' }), 'bpp.json', 'app.json'),
    422,
    'AVK_BAD_ZIP',
    /it holds "app\.json" twice/,
  ],
  'no app.json': [() => zipOf({ 'main.js': '' }), 422, 'AVK_BAD_MANIFEST', /app\.json is missing/],
  'nothing that could run': [
    () => saying({ name: 'odd', version: '1' }, { 'data.csv': '' }),
    422,
    'AVK_BAD_MANIFEST',
    /expected it, or a Dockerfile, package\.json, main\.py, app\.py or index\.html/,
  ],
  'broken JSON': [() => saying('{"name": '), 422, 'AVK_BAD_MANIFEST', /not JSON/],
  'an array': [() => saying('[]'), 422, 'AVK_BAD_MANIFEST', /expected an object, not an array/],
  'text that is not UTF-8': [
    () => zipWith({ 'app.json': { data: Buffer.from([0x7b, 0xff, 0x7d]) } }),
    422,
    'AVK_BAD_ZIP',
    /"app\.json" is not UTF-8/,
  ],
  'wrong types': [
    () => saying({ name: 'odd', version: 1, port: '80', config: {} }),
    422,
    'AVK_BAD_MANIFEST',
    /version: .*string/,
  ],
  'an unknown field': [
    () => saying({ name: 'odd', version: '1', prot: 80 }),
    422,
    'AVK_BAD_MANIFEST',
    /Unrecognized key.*prot/,
  ],
  'a field __proto__': [
    () => saying('{"name": "odd", "version": "1", "env": {"__proto__": "x"}}'),
    422,
    'AVK_BAD_MANIFEST',
    /__proto__/,
  ],
  'a setting __proto__': [
    () => saying({ name: 'odd', version: '1', config: [{ key: '__proto__' }] }),
    422,
    'AVK_BAD_MANIFEST',
    /config\.0\.key/,
  ],
  'an entry that is missing': [
    () => saying({ name: 'odd', version: '1', entry: 'gone.js' }),
    422,
    'AVK_BAD_MANIFEST',
    /entry: the zip has no file gone\.js/,
  ],
  'an entry outside': [
    () => saying({ name: 'odd', version: '1', entry: '../main.js' }),
    422,
    'AVK_BAD_MANIFEST',
    /entry: expected a relative path inside/,
  ],
};

const ODD_NAMES: [what: string, name: string][] = Object.entries({
  'a dollar': 'a$(reboot)',
  'a semicolon': 'a;reboot',
  'a quote': "a'b",
  'a double quote': 'a"b',
  'a slash': 'a/b',
  'a backslash': 'a\\b',
  'a newline': 'a\nb',
  // In brackets it is a key like any other.
  ['__proto__']: '__proto__',
  '300 characters': 'a'.repeat(300),
  'another script': '应用',
  'letters of another script': 'аpp',
  nothing: '',
});

describe('uploads that are refused', () => {
  let home: Home;
  let platform: TestPlatform;
  let api: Api;

  before(async () => {
    home = newHome();
    platform = await startPlatform({ home, flags: ['--max-upload-mb', '2', '--max-unpacked-mb', '4'] });
    api = await signIn(platform.url);
  });

  after(async () => {
    assert.equal(await platform.stop(), 0, platform.output());
    home.remove();
  });

  async function send(zip: Buffer): Promise<Response> {
    const form = new FormData();
    form.set('file', new Blob([new Uint8Array(zip)], { type: 'application/zip' }), 'app.zip');
    const headers = { authorization: `Bearer ${api.token}` };
    return fetch(`${platform.url}/api/baseApp/upload/`, { method: 'POST', headers, body: form });
  }

  for (const [what, [zip, status, code, says]] of Object.entries(REFUSED)) {
    test(`an upload of ${what} is refused`, async () => {
      const problem = await refused(await send(await zip()), status, code);
      assert.match(problem.detail, says);
    });
  }

  for (const [what, name] of ODD_NAMES) {
    test(`an app whose name has ${what} is refused`, async () => {
      const problem = await refused(await send(await named(name)), 422, 'AVK_BAD_MANIFEST');
      assert.match(problem.detail, /^app\.json: name: expected a letter/);
      assert.equal(problem.errors[0]?.path, 'name');
    });
  }

  test('an upload that breaks off half-way leaves nothing', async () => {
    const boundary = 'half-a-zip';
    const sending = request(`${platform.url}/api/baseApp/upload/`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${api.token}`,
        'content-type': `multipart/form-data; boundary=${boundary}`,
        'content-length': 100_000,
      },
    });
    sending.on('error', () => undefined);
    sending.write(`--${boundary}\r\ncontent-disposition: form-data; name="file"; filename="a.zip"\r\n\r\nPK`);
    await eventually(() => readdirSync(join(home.directory, 'uploads')).length > 0);
    sending.destroy();
    await eventually(() => readdirSync(join(home.directory, 'uploads')).length === 0);
  });

  test('a refused upload leaves no blob, no row and no file', async () => {
    // After all of the above.
    assert.deepEqual(await api.get('/api/baseApp/getapps/'), { apps: [] });
    assert.deepEqual(readdirSync(join(home.directory, 'uploads')), []);
    assert.deepEqual(filesBelow(join(home.directory, 'blobs')), []);
  });

  test('file names with characters that mean something to a shell are files like others', async () => {
    const odd = ['a$(touch x).txt', 'it\'s; "quoted".txt', 'two\nlines.txt', '__proto__', 'файл.txt', '文件.txt'];
    const files = Object.fromEntries(odd.map((name) => [name, `this is ${name}`]));
    const manifest = { name: 'odd', version: '1.0.0' };
    assert.equal((await send(await saying(manifest, { ...files, 'index.html': 'home' }))).status, 201);
    const name = await api.deploy('odd');
    const { endpoint } = await api.reaches(name, 'running');
    for (const path of odd) {
      const answer = await fetch(`${endpoint}/${encodeURIComponent(path)}`);
      assert.deepEqual([answer.status, await answer.text()], [200, `this is ${path}`], path);
    }
    await api.stop(name);
    await api.reaches(name, 'stopped');
  });

  test('an instance whose name has odd characters is refused', async () => {
    for (const [, instanceName] of ODD_NAMES) {
      const answer = await api.request('POST', '/api/deployedApps/deployApp/', { appName: 'odd', instanceName });
      assert.equal((await refused(answer, 422, 'AVK_UNACCEPTABLE')).errors[0]?.path, 'instanceName');
    }
  });

  test('what is in order is taken after all that', async () => {
    await api.provide(webApp('fine'));
    assert.equal(filesBelow(join(home.directory, 'blobs')).length > 0, true);
  });
});

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}
