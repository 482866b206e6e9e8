import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { startPlatform, type TestPlatform } from '../support/platform.ts';
import { refused } from './http.support.ts';

const BROWSER = { accept: 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8' };

describe('the front end is served by the application manager', () => {
  let platform: TestPlatform;

  before(async () => {
    platform = await startPlatform();
  });

  after(async () => {
    assert.equal(await platform.stop(), 0, platform.output());
    platform.home.remove();
  });

  const get = (path: string, headers: Record<string, string> = {}): Promise<Response> =>
    fetch(`${platform.url}${path}`, { headers, signal: AbortSignal.timeout(30_000) });

  /** The addresses of scripts and styles in the page. */
  async function assets(): Promise<string[]> {
    const html = await (await get('/', BROWSER)).text();
    return [...html.matchAll(/(?:src|href)="(\/assets\/[^"]+)"/g)].map((match) => match[1] ?? '');
  }

  test('the start page and every page of the front end get its index, never out of a cache', async () => {
    for (const path of ['/', '/instances/x', '/deploy/app/1.0.0', '/administration/users?page=2']) {
      const response = await get(path, BROWSER);
      assert.equal(response.status, 200, path);
      assert.match(response.headers.get('content-type') ?? '', /^text\/html/, path);
      assert.equal(response.headers.get('cache-control'), 'no-cache', path);
      assert.match(await response.text(), /<div id="root">/, path);
    }
  });

  test('its scripts and styles may be kept for ever, and come packed to who takes that', async () => {
    const paths = await assets();
    assert.ok(paths.some((path) => path.endsWith('.js')) && paths.some((path) => path.endsWith('.css')), String(paths));
    for (const path of paths) {
      const response = await get(path, { 'accept-encoding': 'gzip' });
      assert.equal(response.status, 200, path);
      assert.equal(response.headers.get('cache-control'), 'public, max-age=31536000, immutable', path);
      assert.match(response.headers.get('content-type') ?? '', /javascript|css/, path);
      const text = await response.text();
      if (text.length >= 1024) assert.equal(response.headers.get('content-encoding'), 'gzip', path);
    }
    const plain = await get(paths[0] ?? '', { 'accept-encoding': 'identity' });
    assert.equal(plain.headers.get('content-encoding'), null);
  });

  test('only its own scripts may run', async () => {
    const policy = (await get('/', BROWSER)).headers.get('content-security-policy') ?? '';
    const directives = new Map(
      policy.split('; ').map((part) => [part.split(' ')[0], part.split(' ').slice(1).join(' ')]),
    );
    assert.equal(directives.get('default-src'), "'none'");
    assert.equal(directives.get('script-src'), "'self'");
    assert.equal(directives.get('connect-src'), "'self'");
    assert.equal(directives.get('frame-ancestors'), "'none'");
    const html = await (await get('/', BROWSER)).text();
    assert.doesNotMatch(html, /<script(?![^>]*\ssrc="\/)/, 'an inline script would not run');
    assert.doesNotMatch(html, /(src|href)="(https?:)?\/\//, 'nothing comes from another host');
  });

  test('what is unknown below the API, the documentation and the assets stays a problem, also for a browser', async () => {
    for (const path of ['/api/nope', '/api/', '/docs/nope/nope', '/assets/nope.js', '/assets/..%2Findex.html']) {
      await refused(await get(path, BROWSER), 404, 'AVK_NOT_FOUND');
    }
    const asset = await get('/assets/nope.js', BROWSER);
    assert.doesNotMatch(asset.headers.get('cache-control') ?? '', /immutable/);
  });

  test('programs that ask for no page get no page', async () => {
    await refused(await get('/instances/x'), 404, 'AVK_NOT_FOUND');
    await refused(await get('/nope', { accept: 'application/json' }), 404, 'AVK_NOT_FOUND');
  });

  test('the service’s own routes and the documentation are where they were', async () => {
    assert.equal(await (await get('/home', BROWSER)).text(), 'Hi, this is ApplicationManager');
    assert.equal(await (await get('/health', BROWSER)).text(), 'Ok');
    const document = (await (await get('/openapi.json', BROWSER)).json()) as { paths: Record<string, unknown> };
    assert.ok(document.paths['/api/nodes/']);
    assert.equal(document.paths['/'], undefined);
    assert.match(await (await get('/docs', BROWSER)).text(), /swagger-ui/);
    await refused(await get('/get_logs', BROWSER), 401, 'AVK_UNAUTHENTICATED');
  });
});
