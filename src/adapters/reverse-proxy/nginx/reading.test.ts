import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { route } from '../../../../test/contracts/reverse-proxy.support.ts';
import { findBad, findCulprit, takenPort } from './blame.ts';
import { parseConf } from './conf-text.ts';
import { kernelAddress, portWritten, sections } from './machine.ts';
import { checkConf, readMainFile } from './main-file.ts';
import { mainFileProblems } from './main-file-advice.ts';
import { lacksLua, readRefusal } from './refusal.ts';

const CONF = '/etc/nginx/conf.d';
const MAIN = `user www-data;
pid /run/nginx.pid;
# include nothing;
events { worker_connections 768; }
http {
	log_format "a;b" '$remote_addr "{';
	init_by_lua_block { local a = "}" }
	include mime.types;
	include ${CONF}/*.conf;
	include /etc/nginx/sites-enabled/*;
	map $x $y { default "\${x}}"; }
}
`;

test('directives are found whatever is quoted around them', () => {
  const top = parseConf(MAIN);
  assert.deepEqual(
    top.map((each) => each.name),
    ['user', 'pid', 'events', 'http'],
  );
  const names = parseConf(`http { a "}" ; b { c; } d 'x;'; e \${f}; } g;`)[0]?.block?.map((each) => each.name);
  assert.deepEqual(names, ['a', 'b', 'd', 'e']);
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(...'ab;{}"\'\\#\n $') }), (text) => {
      for (const each of parseConf(text)) assert.ok(each.start < each.end && each.end <= text.length);
    }),
  );
});

test('the main file is tested with the files that are to be in the folder', () => {
  const main = readMainFile('/etc/nginx/nginx.conf', MAIN, CONF);
  assert.equal(main.includesConfDir, true);
  const whole = checkConf(main, CONF, ['/a.conf', '/b.conf'], false);
  assert.equal(whole, MAIN.replace(`include ${CONF}/*.conf;`, 'include /a.conf;\ninclude /b.conf;'));
  const alone = checkConf(main, CONF, ['/a.conf'], true);
  assert.match(alone, /include \/a\.conf;/);
  assert.match(alone, /include mime\.types;/);
  assert.doesNotMatch(alone, /sites-enabled/);
  const relative = readMainFile('/etc/nginx/nginx.conf', 'http { include conf.d/*.conf; }', CONF);
  assert.equal(relative.includesConfDir, true);
  assert.equal(checkConf(relative, CONF, ['/a.conf'], false), 'http { include /a.conf; }');
});

test('what the main file lacks is said with the line to write', () => {
  const problems = mainFileProblems(readMainFile('/etc/nginx/nginx.conf', 'events {} http {}', CONF), CONF, 100);
  assert.equal(problems.length, 4);
  assert.match(problems[0] ?? '', /add `include \/etc\/nginx\/conf\.d\/\*\.conf;` inside `http/);
  assert.match(problems[1] ?? '', /`worker_connections 4096;` inside `events/);
  assert.match(problems[2] ?? '', /`worker_rlimit_nofile 8192;`/);
  assert.match(problems[3] ?? '', /`worker_shutdown_timeout 10m;`/);
  const good = `worker_rlimit_nofile 32768; worker_shutdown_timeout 10m; events { worker_connections 16384; }\n${MAIN.replace(/events.*/, '')}`;
  assert.deepEqual(mainFileProblems(readMainFile('/etc/nginx/nginx.conf', good, CONF), CONF, 5000), []);
  assert.match(mainFileProblems(readMainFile('/x', good, CONF), CONF, 20_000)[0] ?? '', /worker_connections 32768;/);
});

test('NGINX’s refusals are understood', () => {
  const text = `nginx: [warn] something
2026/01/01 00:00:00 [emerg] 12#12: unknown directive "nonsense" in ${CONF}/.avishkar/stage/new/app.conf:3
nginx: configuration file ${CONF}/.avishkar/check.conf test failed`;
  assert.deepEqual(readRefusal(text, CONF), {
    sentence: `unknown directive "nonsense" in ${CONF}/app.conf:3`,
    file: `${CONF}/app.conf`,
    line: 3,
    surplus: 0,
  });
  const full = 'nginx: [emerg] 768 worker_connections are not enough for 801 listening sockets';
  assert.equal(readRefusal(full, CONF).surplus, 34);
  const taken = 'nginx: [emerg] bind() to 0.0.0.0:2000 failed (98: Address already in use)';
  assert.equal(takenPort(readRefusal(taken, CONF)), 2000);
  assert.equal(lacksLua('nginx: [emerg] unknown directive "balancer_by_lua_block" in x:1'), true);
  assert.equal(lacksLua(text), false);
});

test('the bad ones are found among many, and only those', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uniqueArray(fc.nat(99), { maxLength: 5 }), async (bad) => {
      let asked = 0;
      const all = Array.from({ length: 100 }, (_, index) => index);
      const found = await findBad(all, async (some) => {
        asked++;
        const first = some.find((each) => bad.includes(each));
        return first === undefined ? null : `no ${first}`;
      });
      assert.deepEqual(found.map((each) => each.candidate).sort(), [...bad].sort());
      assert.ok(asked <= 1 + bad.length * 14, `${asked} questions for ${bad.length} of 100`);
    }),
    { numRuns: 30 },
  );
});

test('others’ files are blamed only when they are broken without ours', async () => {
  const routes = [route('a', 2000, []), route('b', 2001, [])];
  const [a, b] = routes as [(typeof routes)[0], (typeof routes)[0]];
  const ask = (refusal: string, test: (some: readonly (typeof a)[], alone: boolean) => string | null) =>
    findCulprit({
      ...{ refusal, changed: routes, fresh: new Set(routes), confDir: CONF, mainFile: '/etc/nginx/nginx.conf' },
      test: async (some, alone) => test(some, alone),
    });
  const other = `[emerg] unknown directive "x" in ${CONF}/other.conf:1`;
  assert.deepEqual(await ask(other, (_, alone) => (alone ? null : other)), {
    kind: 'foreign',
    sentence: `unknown directive "x" in ${CONF}/other.conf:1`,
  });
  // Another's file says what is wrong, but only because of ours.
  const clash = `[emerg] duplicate upstream "b_servers" in ${CONF}/other.conf:1`;
  const clashed = await ask(clash, (some, alone) => (!alone && some.includes(b) ? clash : null));
  assert.deepEqual(clashed, { kind: 'routes', bad: new Map([[b, readRefusal(clash, CONF).sentence]]) });
  // Both at once: ours is set aside first, then the other's is named.
  const named = `[emerg] bad in ${CONF}/.avishkar/stage/new/a.conf:1`;
  const both = await ask(named, (some, alone) => (some.includes(a) ? named : alone ? null : other));
  assert.deepEqual(both, { kind: 'routes', bad: new Map([[a, `bad in ${CONF}/a.conf:1`]]) });
  const full = '[emerg] 3 worker_connections are not enough for 3 listening sockets';
  const surplus = await ask(full, () => full);
  assert.equal(surplus.kind === 'routes' && surplus.bad.size, 1);
  assert.deepEqual(await ask(other, () => null), { kind: 'own', sentence: readRefusal(other, CONF).sentence });
  assert.deepEqual(await ask('unknown directive "lua_shared_dict"', () => null), { kind: 'no lua' });
});

test('addresses are written as the kernel writes them', () => {
  assert.equal(kernelAddress('127.0.0.1', 8080), '0100007F:1F90');
  assert.equal(kernelAddress('::1', 80), '00000000000000000000000001000000:0050');
  assert.equal(kernelAddress('fe80::1:2', 1), '000080FE000000000000000002000100:0001');
  assert.equal(kernelAddress('2001:db8::', 1), 'B80D0120000000000000000000000000:0001');
  assert.equal(kernelAddress('::ffff:10.0.0.1', 1), '0000000000000000FFFF00000100000A:0001');
});

test('ports that files have NGINX listen on are read', () => {
  for (const [directive, ports] of [
    ['listen 80 default_server', [80]],
    ['listen\t[::]:443 ssl http2', [443]],
    ['listen 127.0.0.1:8080', [8080]],
    ['listen *:2001', [2001]],
    ['listen unix:/run/site.sock', []],
    ['listen localhost', []],
  ] as const) {
    assert.deepEqual(portWritten(directive), ports, directive);
  }
});

test('sections are read as they were printed', () => {
  const found = sections('\n== a\none\n\ntwo\n\n== b\n\n== c\nx');
  assert.deepEqual(Object.fromEntries(found), { a: 'one\n\ntwo\n', b: '', c: 'x' });
});
