import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, describe, test } from 'node:test';
import { createStaticHandler, type StaticSite } from './static-files.ts';

const FILES = {
  'app.json': '{"name":"secret plans"}',
  'index.html': '<h1>home</h1>',
  'docs/index.html': '<h1>docs</h1>',
  'empty/data.csv': 'a,b\n1,2\n',
  'a b/ü.svg': '<svg/>',
  'main.js': 'export {}',
  'style.css': 'p{}',
  'picture.png': 'not really',
  'zero.txt': '',
  'docs/app.json': '{"of":"the page"}',
  '.env': 'TOKEN=1',
  'docs/.git/config': 'x',
};

async function serve(files: Record<string, string>, site: Partial<StaticSite> = {}) {
  const above = mkdtempSync(join(tmpdir(), 'avishkar-static-'));
  const folder = join(above, 'app');
  for (const [path, content] of Object.entries({ '../outside.txt': 'outside', ...files })) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), content);
  }
  const errors: string[] = [];
  const handler = createStaticHandler({
    folder,
    entry: 'index.html',
    settings: { ROOM: 'Kitchen', LIMIT: 26.5, NIGHT: false },
    onError: (path, error) => errors.push(`${path}: ${error}`),
    ...site,
  });
  const server = createServer(handler).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as AddressInfo;
  /** As it is written, which `fetch` would tidy up first. */
  const ask = async (path: string, options: { method?: string; headers?: Record<string, string> } = {}) => {
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      request({ port, path, host: '127.0.0.1', ...options }, resolve)
        .on('error', reject)
        .end();
    });
    return { status: response.statusCode, headers: response.headers, body: await text(response) };
  };
  const close = (): void => {
    server.close();
    rmSync(above, { recursive: true });
  };
  return { ask, errors, close };
}

describe('the server of static apps', () => {
  let site: Awaited<ReturnType<typeof serve>>;
  before(async () => {
    site = await serve(FILES);
  });
  after(() => {
    assert.deepEqual(site.errors, []);
    site.close();
  });

  const types: [string, RegExp, string][] = [
    ['/', /^text\/html; charset=utf-8$/i, '<h1>home</h1>'],
    ['/?a=b', /^text\/html; charset=utf-8$/i, '<h1>home</h1>'],
    ['/index.html', /^text\/html; charset=utf-8$/i, '<h1>home</h1>'],
    ['/docs/', /^text\/html/, '<h1>docs</h1>'],
    ['/main.js', /^(text|application)\/javascript; charset=utf-8$/i, 'export {}'],
    ['/style.css', /^text\/css; charset=utf-8$/i, 'p{}'],
    ['/picture.png', /^image\/png$/, 'not really'],
    ['/a%20b/%C3%BC.svg', /^image\/svg\+xml/, '<svg/>'],
    ['/empty/data.csv', /^text\/csv/, 'a,b\n1,2\n'],
    ['/zero.txt', /^text\/plain/, ''],
    ['/docs/app.json', /^application\/json/, '{"of":"the page"}'],
  ];
  for (const [path, type, body] of types) {
    test(`gives ${path} with its type`, async () => {
      const answer = await site.ask(path);
      assert.deepEqual([answer.status, answer.body], [200, body]);
      assert.match(answer.headers['content-type'] ?? '', type);
      assert.equal(answer.headers['x-content-type-options'], 'nosniff');
    });
  }

  const hidden = [
    '/app.json',
    '/app.json?x',
    '/app%2Ejson',
    '//app.json',
    '/./app.json',
    '/docs/../app.json',
    '/.env',
    '/%2eenv',
    '/docs/.git/config',
    '/docs/.git/',
    '/gone.html',
    '/empty/',
    '/index.html/',
    '/../outside.txt',
    '/%2e%2e/outside.txt',
    '/..%2foutside.txt',
    '/..%5coutside.txt',
    '/docs/../../outside.txt',
    '/%00',
    '/zero.txt%00.html',
    `/${'x'.repeat(300)}`,
  ];
  for (const path of hidden) {
    test(`gives nothing for ${path.slice(0, 40)}`, async () => {
      const { status, body } = await site.ask(path);
      assert.ok(status === 404 || status === 400, `status ${status}`);
      assert.match(body, /^(There is no such page|The address cannot be read)\.\n$/);
    });
  }

  test('what cannot be decoded is malformed', async () => {
    assert.equal((await site.ask('/%E0%A4%A')).status, 400);
  });

  test('a folder without its slash is redirected within the site, with its query', async () => {
    const { status, headers } = await site.ask('/docs?a=1&b=2');
    assert.deepEqual([status, headers.location], [301, '/docs/?a=1&b=2']);
    assert.equal((await site.ask('//docs')).headers.location, '/docs/');
  });

  test('an unchanged file is not sent again', async () => {
    const { etag = '', 'last-modified': modified = '' } = (await site.ask('/main.js')).headers;
    assert.ok(etag && modified);
    for (const [header, value] of [
      ['if-none-match', etag],
      ['if-modified-since', modified],
    ] as const) {
      assert.equal((await site.ask('/main.js', { headers: { [header]: value } })).status, 304);
    }
    assert.equal((await site.ask('/main.js', { headers: { 'if-none-match': '"other"' } })).status, 200);
    assert.equal((await site.ask('/main.js', { headers: { 'if-match': '"other"' } })).status, 412);
  });

  test('parts are given, and none that is not there', async () => {
    const part = await site.ask('/picture.png', { headers: { range: 'bytes=4-9' } });
    assert.deepEqual([part.status, part.body, part.headers['content-range']], [206, 'really', 'bytes 4-9/10']);
    const none = await site.ask('/picture.png', { headers: { range: 'bytes=50-' } });
    assert.deepEqual([none.status, none.headers['content-range']], [416, 'bytes */10']);
  });

  test('HEAD has the headers alone, and other methods are refused', async () => {
    for (const [path, status, length] of [
      ['/', 200, '13'],
      ['/gone', 404, '23'],
      ['/avishkar-config.json', 200, '46'],
    ] as const) {
      const answer = await site.ask(path, { method: 'HEAD' });
      assert.deepEqual([answer.status, answer.headers['content-length'], answer.body], [status, length, '']);
    }
    const post = await site.ask('/', { method: 'POST' });
    assert.deepEqual([post.status, post.headers.allow], [405, 'GET, HEAD']);
  });

  test('tells the page its settings, typed, and never from a cache', async () => {
    const { status, headers, body } = await site.ask('/avishkar-config.json?now');
    assert.equal(status, 200);
    assert.deepEqual(JSON.parse(body), { ROOM: 'Kitchen', LIMIT: 26.5, NIGHT: false });
    assert.equal(headers['cache-control'], 'no-store');
    assert.equal(headers['content-type'], 'application/json; charset=utf-8');
  });
});

test("an app's own 404 page is shown, whole, for what is not there", async (t) => {
  const site = await serve({ ...FILES, '404.html': '<h1>lost?</h1>' });
  t.after(site.close);
  const answer = await site.ask('/gone', { headers: { range: 'bytes=0-3', 'if-none-match': '*' } });
  assert.deepEqual([answer.status, answer.body], [404, '<h1>lost?</h1>']);
  assert.match(answer.headers['content-type'] ?? '', /^text\/html/);
  assert.equal((await site.ask('/app.json')).body, '<h1>lost?</h1>');
  assert.equal((await site.ask('/empty/')).status, 404);
});

test('an entry in a folder makes that folder the site, and one of another name its page', async (t) => {
  const files = { 'public/start.html': 'start', 'public/more/index.html': 'more', 'notes.txt': 'private' };
  const site = await serve(files, { entry: 'public/start.html' });
  t.after(site.close);
  assert.equal((await site.ask('/')).body, 'start');
  assert.equal((await site.ask('/more/')).body, 'more');
  assert.equal((await site.ask('/notes.txt')).status, 404);
  assert.equal((await site.ask('/../notes.txt')).status, 404);
});
