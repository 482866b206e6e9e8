import assert from 'node:assert/strict';
import { after, before, describe, type TestContext, test } from 'node:test';
import type { NginxProxyOptions } from '../../src/adapters/reverse-proxy/nginx/proxy.ts';
import {
  ask,
  begin,
  exchange,
  inTime,
  route,
  startUpstream,
  type TestUpstream,
} from '../contracts/reverse-proxy.support.ts';
import { eventually } from '../support/eventually.ts';
import { bringUpFleet, type Fleet, fleetOrSkip } from './fleet.ts';
import {
  CONF,
  foreign,
  type NginxLab,
  readAnew,
  shell,
  startApp,
  startLab,
  text,
  url,
  withoutLua,
} from './nginx-lab.ts';
import type { FleetVm } from './vm.ts';

const DEADLINE = { deadlineMs: 60_000 };

describe('NGINX and what is around it', fleetOrSkip(), () => {
  let fleet: Fleet;
  let lua: FleetVm;
  let plain: FleetVm;
  before(async () => {
    fleet = await bringUpFleet(2);
    [lua, plain] = fleet.vms as [FleetVm, FleetVm];
    await withoutLua(plain);
  });
  after(() => fleet?.down());

  const start = (t: TestContext, vm: FleetVm, options: Partial<NginxProxyOptions> = {}): Promise<NginxLab> =>
    startLab(t, vm, fleet.gateway, options);
  const app = (t: TestContext): Promise<TestUpstream> => startApp(t, fleet.gateway);

  test('what others have in NGINX’s folders stays, with paths of their own', async (t) => {
    const lab = await start(t, lua);
    const upstream = await app(t);
    const [port, theirs, mine] = [await lab.freePort(), await lab.freePort(), await lab.freePort()];
    await foreign(t, lua, '/etc/nginx/snippets/answer.conf', 'return 200 theirs;\n');
    const site = (at: number): string => `server { listen ${at}; location / { include snippets/answer.conf; } }\n`;
    await foreign(t, lua, '/etc/nginx/sites-enabled/site', site(theirs));
    await foreign(t, lua, `${CONF}/mine.conf`, site(mine));
    const { rejected } = await lab.proxy.apply([route('app', port, [upstream]), route('mine', port + 300, [upstream])]);
    assert.deepEqual(rejected, [
      { name: 'mine', reason: `${CONF}/mine.conf is somebody else’s file`, portTaken: false },
    ]);
    assert.deepEqual([await text(lua, theirs), await text(lua, mine)], ['theirs', 'theirs']);
    const taken = await lab.proxy.apply([route('app', theirs, [upstream])]);
    const reason = `port ${theirs} is taken by another program`;
    assert.deepEqual(taken.rejected, [{ name: 'app', reason, portTaken: true }]);
  });

  test('more ports than NGINX has connections for are set aside with the line to change', async (t) => {
    const lab = await start(t, lua);
    const upstream = await app(t);
    await shell(
      lua,
      'cp /etc/nginx/nginx.conf /tmp/main; sed -i "s/worker_connections .*;/worker_connections 60;/" /etc/nginx/nginx.conf',
    );
    t.after(() => lua.exec(['cp', '/tmp/main', '/etc/nginx/nginx.conf']));
    const port = (await lab.freePort()) + 400;
    const routes = Array.from({ length: 40 }, (_, index) => route(`app-${index}`, port + index, [upstream]));
    const { rejected } = await lab.proxy.apply(routes);
    assert.equal(rejected.length, 10);
    assert.match(rejected[0]?.reason ?? '', /^60 connections leave NGINX no room .* `worker_connections 4096;` inside/);
    await lab.proxy.apply([]);
  });

  test('a main file that does not read ours, and a user who may not run NGINX, are said with what to do', async (t) => {
    const lab = await start(t, lua, { lookEveryMs: 60_000 });
    await shell(lua, 'cp /etc/nginx/nginx.conf /tmp/main; sed -i "/conf.d/d" /etc/nginx/nginx.conf');
    try {
      await assert.rejects(
        lab.proxy.apply([]),
        /does not read the platform’s files: add `include \/etc\/nginx\/conf\.d\/\*\.conf;`/,
      );
    } finally {
      await shell(lua, 'cp /tmp/main /etc/nginx/nginx.conf');
    }
    await shell(lua, 'mv /etc/sudoers.d/avishkar /tmp/sudoers');
    try {
      await lab.proxy.apply([]).then(
        () => assert.fail('without a right to run NGINX'),
        (error) => assert.match(String(error), /may not run NGINX on VM1 \(sudo: .*avishkar nodes check VM1/),
      );
    } finally {
      await shell(lua, 'mv /tmp/sudoers /etc/sudoers.d/avishkar');
    }
    await lab.proxy.apply([]);
  });

  test('without its Lua module NGINX is told by reloads, and again without when the module is back', async (t) => {
    const lab = await start(t, lua);
    const [one, two] = [await app(t), await app(t)];
    const port = await lab.freePort();
    await lab.proxy.apply([route('app', port, [one])]);
    await shell(lua, 'mkdir -p /tmp/lua; mv /etc/nginx/modules-enabled/50-mod-http-lua.conf /tmp/lua/');
    t.after(() => lua.exec(['sh', '-c', 'mv /tmp/lua/* /etc/nginx/modules-enabled/']));
    await eventually(async () => !/lua/.test(await shell(lua, `cat ${CONF}/*.conf`)), DEADLINE);
    assert.equal(await text(lua, port), String(one.port));
    assert.deepEqual(await lab.proxy.apply([route('app', port, [two])]), { rejected: [] });
    assert.equal(await text(lua, port), String(two.port));
    await shell(lua, 'mv /tmp/lua/* /etc/nginx/modules-enabled/');
    await eventually(async () => /balancer_by_lua/.test(await shell(lua, `cat ${CONF}/app.conf`)), DEADLINE);
    // Comes after the reload that brought it.
    await lab.proxy.apply([route('app', port, [two])]);
    const before = readAnew(lab);
    await lab.proxy.apply([route('app', port, [one])]);
    assert.equal(await text(lua, port), String(one.port));
    assert.equal(readAnew(lab), before);
  });

  test('the port on which NGINX answers the platform is another one when that is taken', async (t) => {
    const held = await (await start(t, plain)).holdPort(1500);
    t.after(() => held.release());
    await shell(plain, `rm -f ${CONF}/*.conf; nginx -s reload`);
    const lab = await start(t, plain, { controlPort: 1500 });
    const upstream = await app(t);
    const port = await lab.freePort();
    assert.deepEqual(await lab.proxy.apply([route('app', port, [upstream])]), { rejected: [] });
    assert.match(await shell(plain, `cat ${CONF}/00-avishkar.conf`), /listen 127\.0\.0\.1:1501;/);
    assert.equal(await lab.proxy.portFree(1501), false);
  });

  test('what NGINX answers by itself names the app and the reason, as problem details or HTML', async (t) => {
    for (const vm of [lua, plain]) {
      const lab = await start(t, vm);
      const port = await lab.freePort();
      const dead = { ip: fleet.gateway, port: 1 };
      await lab.proxy.apply([route('room-comfort-1', port, [dead], { maxBodyBytes: 10 })]);
      const failed = await ask(url(vm, port));
      assert.equal(failed.headers['content-type'], 'application/problem+json');
      assert.deepEqual(JSON.parse(failed.body.toString()), {
        type: 'about:blank',
        title: 'The app did not answer',
        status: 502,
        code: 'AVK_SERVICE_UNAVAILABLE',
        detail: `room-comfort-1: ${fleet.gateway}:1 did not answer`,
        app: 'room-comfort-1',
      });
      const large = JSON.parse((await ask(url(vm, port), { method: 'POST', data: 'x'.repeat(11) })).body.toString());
      assert.deepEqual([large.status, large.detail], [413, 'room-comfort-1: the request body is larger than 10 bytes']);
      await lab.proxy.apply([route('room-comfort-1', port, [], { note: '<script>&"starting" $host' })]);
      const page = await ask(url(vm, port), { headers: { Accept: 'text/html,*/*;q=0.8' } });
      assert.equal(page.status, 503);
      assert.equal(page.headers['retry-after'], '2');
      assert.equal(page.headers['content-type'], 'text/html; charset=utf-8');
      assert.match(page.body.toString(), /room-comfort-1: &#60;script&#62;&#38;&#34;starting&#34; &#36;host</);
      const problem = JSON.parse((await ask(url(vm, port))).body.toString());
      assert.equal(problem.detail, 'room-comfort-1: <script>&"starting" $host');
    }
  });

  test('a tunnel through NGINX counts as under way', async (t) => {
    for (const vm of [lua, plain]) {
      const lab = await start(t, vm);
      const upstream = await startUpstream({
        ip: fleet.gateway,
        upgrade: (_, socket) =>
          socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n'),
      });
      t.after(() => upstream.close());
      const port = await lab.freePort();
      await lab.proxy.apply([route('app', port, [upstream])]);
      const bytes = 'GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n';
      const { socket } = await exchange(vm.address, port, bytes);
      await lab.proxy.apply([route('app', port, [])]);
      let drained = false;
      const waiting = lab.proxy.drained(upstream, 60_000).then(() => {
        drained = true;
      });
      await lab.proxy.drained(upstream, 1500);
      assert.equal(drained, false);
      socket.destroy();
      await inTime(waiting);
    }
  });

  test('without the module a reload fails no request of clients that connect anew for each', async (t) => {
    const lab = await start(t, plain);
    const [one, two] = [await app(t), await app(t)];
    const port = await lab.freePort();
    await lab.proxy.apply([route('app', port, [one])]);
    let running = true;
    let answered = 0;
    const failures: string[] = [];
    const clients = Array.from({ length: 8 }, async () => {
      while (running) {
        try {
          const { status } = await ask(url(plain, port));
          if (status !== 200) failures.push(String(status));
          answered++;
        } catch (error) {
          failures.push(String(error));
        }
      }
    });
    const slow = begin(url(plain, port));
    for (let change = 0; change < 6; change++) await lab.proxy.apply([route('app', port, [change % 2 ? one : two])]);
    running = false;
    await Promise.all([...clients, slow.then((response) => response.resume())]);
    assert.deepEqual(failures, []);
    assert.ok(answered > 100, `${answered} answers`);
  });
});
