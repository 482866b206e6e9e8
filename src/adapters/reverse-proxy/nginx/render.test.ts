import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { route } from '../../../../test/contracts/reverse-proxy.support.ts';
import { htmlInConf, jsonInConf, jsonText } from './escape.ts';
import { endpointLine, readControl, readHead, renderAll, renderRoute, SHARED_FILE } from './render.ts';
import { sharedText } from './shared-text.ts';

const DIR = '/etc/nginx/conf.d/.avishkar';
const plain = sharedText('plain', DIR, true);
const lua = sharedText('lua', DIR, true);
const control = { port: 1989, token: 'ab12' };
const two = [
  { ip: '10.77.0.11', port: 20_000 },
  { ip: '::1', port: 20_001 },
];

test('the file of a route has the starting document’s form', () => {
  const text = renderRoute(route('room-comfort-1', 2000, two, { maxBodyBytes: 1000 }), 'plain', plain);
  const lines = text.split('\n').map((line) => line.trim());
  assert.match(lines[0] ?? '', /^# Written by Avishkar for room-comfort-1, port 2000 \([0-9a-f]{16}\)\. /);
  assert.deepEqual(lines.slice(1, 12), [
    'upstream room-comfort-1_servers {',
    'server 10.77.0.11:20000 fail_timeout=1s;',
    'server [::1]:20001 fail_timeout=1s;',
    'keepalive 32;',
    'keepalive_timeout 1500ms;',
    '}',
    'server {',
    'listen 0.0.0.0:2000;',
    'client_max_body_size 1000;',
    `include ${plain.errors};`,
    'location / {',
  ]);
  assert.equal(lines.filter((line) => line === 'proxy_pass http://room-comfort-1_servers;').length, 2);
});

test('without replicas the file says the note; with them the note is no reason to write it anew', () => {
  const none = renderRoute(route('app', 2000, [], { note: 'a "b" $c' }), 'plain', plain);
  assert.doesNotMatch(none, /upstream/);
  assert.match(none, /return 503;/);
  assert.match(none, /\$avishkar_note_html "a &#34;b&#34; &#36;c"/);
  assert.match(none, /\$avishkar_note_json "a \\\\u0022b\\\\u0022 \\\\u0024c"/);
  const noted = (note: string): string => renderRoute(route('app', 2000, two, { note }), 'plain', plain);
  assert.equal(noted('starting'), noted('unhealthy'));
});

test('with the Lua module replicas and notes change the file but not the generation', () => {
  const routes = (note: string, upstreams = two) => [route('app', 2000, upstreams, { note })];
  const of = (list: ReturnType<typeof routes>, variant: 'plain' | 'lua') =>
    renderAll(list, variant, variant === 'lua' ? lua : plain, control);
  const [before, after] = [of(routes(''), 'lua'), of(routes('gone', []), 'lua')];
  assert.equal(before.generation, after.generation);
  assert.notEqual(before.files.get('app.conf'), after.files.get('app.conf'));
  assert.equal(before.files.get(SHARED_FILE), after.files.get(SHARED_FILE));
  assert.match(before.files.get('app.conf') ?? '', /balance\("app", "10\.77\.0\.11:20000,\[::1\]:20001"\)/);
  assert.notEqual(of(routes(''), 'plain').generation, of(routes('', []), 'plain').generation);
  const other = renderAll([route('app', 2001, two)], 'lua', lua, control);
  assert.notEqual(before.generation, other.generation);
});

test('what a file says of itself can be read back', () => {
  const { files } = renderAll([route('app', 2000, two)], 'lua', lua, control);
  const head = (name: string): string => (files.get(name) ?? '').split('\n')[0] ?? '';
  assert.deepEqual([readHead(head('app.conf'))?.what, readHead(head('app.conf'))?.port], ['app, port 2000', 2000]);
  assert.equal(readHead(head(SHARED_FILE))?.port, null);
  assert.equal(readHead('# by hand'), null);
  assert.deepEqual(readControl(files.get(SHARED_FILE) ?? ''), control);
  assert.equal(readControl('server { listen 80; }'), null);
});

test('no note breaks out of its place', () => {
  const strings = fc.string({ unit: 'binary', maxLength: 400 });
  fc.assert(
    fc.property(strings, (note) => {
      assert.match(htmlInConf(note), /^[A-Za-z0-9 .,:()_&#;-]*$/);
      assert.match(jsonInConf(note), /^[A-Za-z0-9 .,:()_\\-]*$/);
      assert.equal(JSON.parse(`"${jsonText(note)}"`), note);
      const line = endpointLine(route('app', 2000, [], { note: note || 'x' }));
      assert.equal(line.split('\t').length, 5);
      assert.doesNotMatch(line, /\n/);
      // NGINX reads no longer word.
      for (const word of renderRoute(route('app', 2000, [], { note }), 'plain', plain).split('\n')) {
        assert.ok(word.length < 4000);
      }
    }),
  );
});

test('a changed shared text has another file name', () => {
  const without = sharedText('plain', DIR, false);
  assert.notEqual(without.proxy, plain.proxy);
  assert.equal(without.page, plain.page);
  for (const [name, text] of lua.files) assert.ok(text.length > 0 && /-[0-9a-f]{12}\.(inc|lua)$/.test(name));
});
