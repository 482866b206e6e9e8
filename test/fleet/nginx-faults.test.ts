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
import { createNginxLab, type NginxLab, withoutLua } from './nginx-lab.ts';
import type { FleetVm } from './vm.ts';

const CONF = '/etc/nginx/conf.d';
const DEADLINE = { deadlineMs: 60_000 };

describe('NGINX that something happens to', fleetOrSkip(), () => {
  let fleet: Fleet;
  let lua: FleetVm;
  let plain: FleetVm;
  before(async () => {
    fleet = await bringUpFleet(2);
    [lua, plain] = fleet.vms as [FleetVm, FleetVm];
    await withoutLua(plain);
  });
  after(() => fleet?.down());

  async function start(t: TestContext, vm: FleetVm, options: Partial<NginxProxyOptions> = {}): Promise<NginxLab> {
    const lab = await createNginxLab(vm, fleet.gateway, { lookEveryMs: 300, ...options });
    t.after(async () => {
      await lab.cleanup();
    });
    return lab;
  }

  async function app(t: TestContext): Promise<TestUpstream> {
    const upstream = await startUpstream({ ip: fleet.gateway });
    t.after(() => upstream.close());
    return upstream;
  }

  const url = (vm: FleetVm, port: number): string => `http://${vm.address}:${port}/`;
  const text = async (vm: FleetVm, port: number): Promise<string> => (await ask(url(vm, port))).body.toString();
  const shell = async (vm: FleetVm, script: string): Promise<string> => {
    const { exitCode, stdout, stderr } = await vm.exec(['sh', '-c', script]);
    assert.equal(exitCode, 0, `${script}: ${stderr}`);
    return stdout;
  };
  /** Puts a file of somebody else's; it goes with the test. */
  const foreign = async (t: TestContext, vm: FleetVm, path: string, content: string): Promise<void> => {
    await vm.exec(['sh', '-c', 'mkdir -p "$(dirname "$1")" && cat > "$1"', 'sh', path], { stdin: content });
    t.after(() => vm.exec(['rm', '-f', path]));
  };
  const readAnew = (lab: NginxLab): number => lab.said.filter((line) => line.startsWith('NGINX has read')).length;

  for (const variant of ['with', 'without'] as const) {
    const on = (): FleetVm => (variant === 'with' ? lua : plain);

    test(`a route that NGINX will not take is set aside, and the others live, ${variant} the module`, async (t) => {
      const lab = await start(t, on());
      const upstream = await app(t);
      const [bad, good] = [await lab.freePort(), await lab.freePort()];
      await foreign(t, on(), `${CONF}/zz-other.conf`, 'upstream bad_servers { server 127.0.0.1:1; }\n');
      const wanted = Array.from({ length: 8 }, (_, index) => route(`app-${index}`, good + 100 + index, [upstream]));
      const { rejected } = await lab.proxy.apply([
        ...wanted,
        route('bad', bad, [upstream]),
        route('good', good, [upstream]),
      ]);
      assert.deepEqual(
        rejected.map(({ name }) => name),
        ['bad'],
      );
      assert.match(
        rejected[0]?.reason ?? '',
        /^duplicate upstream "bad_servers" in \/etc\/nginx\/conf\.d\/zz-other\.conf:1$/,
      );
      assert.equal(await text(on(), good), String(upstream.port));
      await assert.rejects(ask(url(on(), bad)));
      await lab.proxy.apply([]);
    });

    test(`somebody else’s broken file is named, and ours live once it is mended, ${variant} the module`, async (t) => {
      const lab = await start(t, on());
      const [one, two] = [await app(t), await app(t)];
      const [old, fresh] = [await lab.freePort(), await lab.freePort()];
      assert.deepEqual(await lab.proxy.apply([route('old', old, [one])]), { rejected: [] });
      await foreign(t, on(), `${CONF}/monitoring.conf`, '# mine\nnonsense;\n');
      const { rejected } = await lab.proxy.apply([route('old', old, [one]), route('fresh', fresh, [one])]);
      assert.deepEqual(
        rejected.map(({ name }) => name),
        ['fresh'],
      );
      assert.match(
        rejected[0]?.reason ?? '',
        /unknown directive "nonsense" in \/etc\/nginx\/conf\.d\/monitoring\.conf:2/,
      );
      assert.equal(await text(on(), old), String(one.port));
      const moved = await lab.proxy.apply([route('old', old, [two]), route('fresh', fresh, [one])]);
      assert.equal(moved.rejected.length, variant === 'with' ? 1 : 2);
      assert.equal(await text(on(), old), String(variant === 'with' ? two.port : one.port));
      assert.match(await shell(on(), `cat ${CONF}/fresh.conf`), /fresh_servers/);
      // Said once, however often it is tried.
      await eventually(async () => lab.said.filter((line) => line.startsWith('NGINX cannot be changed')).length === 1);
      await shell(on(), `rm ${CONF}/monitoring.conf`);
      await eventually(async () => (await text(on(), fresh)) === String(one.port), DEADLINE);
      await eventually(async () => (await text(on(), old)) === String(two.port), DEADLINE);
    });

    test(`NGINX that was killed is started again, ${variant} the module`, async (t) => {
      const lab = await start(t, on());
      const [one, two] = [await app(t), await app(t)];
      const [port, other] = [await lab.freePort(), await lab.freePort()];
      await lab.proxy.apply([route('app', port, [one]), route('other', other, [one])]);
      await on().kill('nginx');
      await eventually(async () => (await text(on(), port)) === String(one.port), DEADLINE);
      await eventually(() => lab.said.some((line) => line.startsWith('NGINX did not run and was started')), DEADLINE);
      // By a change as well, and though another program took a port meanwhile.
      await on().kill('nginx');
      const held = await lab.holdPort(other);
      const { rejected } = await lab.proxy.apply([route('app', port, [two]), route('other', other, [two])]);
      await held.release();
      const reasons = rejected.map(({ reason }) => reason);
      assert.deepEqual(reasons.length === 0 ? ['started before'] : reasons, [
        `port ${other} is taken by another program`,
      ]);
      assert.equal(await text(on(), port), String(two.port));
      await eventually(async () => (await text(on(), other)) === String(two.port), DEADLINE);
    });

    test(`a file that was edited or deleted by hand is put back, ${variant} the module`, async (t) => {
      const lab = await start(t, on());
      const upstream = await app(t);
      const port = await lab.freePort();
      await lab.proxy.apply([route('app', port, [upstream])]);
      const before = await shell(on(), `cat ${CONF}/app.conf`);
      // NGINX has read what was written by hand.
      await shell(on(), `sed -i 's/listen .*;/listen ${port + 500};/' ${CONF}/app.conf && nginx -s reload`);
      await eventually(async () => (await text(on(), port)) === String(upstream.port), DEADLINE);
      await eventually(async () => (await shell(on(), `cat ${CONF}/app.conf`)) === before, DEADLINE);
      await shell(on(), `rm ${CONF}/app.conf`);
      await eventually(async () => (await shell(on(), `cat ${CONF}/app.conf || true`)) === before, DEADLINE);
      await shell(on(), `sed -i 's/404/405/; s/gzip off/gzip on/' ${CONF}/.avishkar/errors-*.inc`);
      await eventually(async () => /gzip off/.test(await shell(on(), `cat ${CONF}/.avishkar/errors-*.inc`)), DEADLINE);
      for (const what of [
        /app\.conf.*changed by hand|changed by hand.*app\.conf/,
        /was deleted.*app\.conf/,
        /by hand.*errors/,
      ]) {
        assert.ok(
          lab.said.some((line) => what.test(line)),
          String(what),
        );
      }
    });

    test(`fifty changes at once are few reloads, ${variant} the module`, async (t) => {
      const lab = await start(t, on());
      const upstream = await app(t);
      const port = await lab.freePort();
      const routes = Array.from({ length: 50 }, (_, index) => route(`app-${index}`, port + 50 + index, [upstream]));
      const results = await Promise.all(routes.map((_, index) => lab.proxy.apply(routes.slice(0, index + 1))));
      for (const { rejected } of results) assert.deepEqual(rejected, []);
      assert.ok(readAnew(lab) <= 2, `${readAnew(lab)} reloads`);
      for (const each of routes) assert.equal(await text(on(), each.publicPort), String(upstream.port));
    });

    test(`a platform that starts again finds all as it left it, without a reload, ${variant} the module`, async (t) => {
      const first = await start(t, on());
      const upstream = await app(t);
      const port = await first.freePort();
      const routes = [route('app', port, [upstream]), route('none', await first.freePort(), [], { note: 'starting' })];
      await first.proxy.apply(routes);
      const workers = await shell(on(), 'pgrep -f "nginx: worker process$"');
      await first.proxy.close();
      assert.equal(await text(on(), port), String(upstream.port));
      const second = await start(t, on());
      assert.deepEqual(await second.proxy.apply(routes), { rejected: [] });
      assert.equal(readAnew(second), 0);
      assert.equal(await shell(on(), 'pgrep -f "nginx: worker process$"'), workers);
      assert.equal(await second.proxy.portFree(port), true);
    });

    test(`a change that NGINX does not take over is taken back, ${variant} the module`, async (t) => {
      const lab = await start(t, on());
      const upstream = await app(t);
      const [port, hidden] = [await lab.freePort(), await lab.freePort()];
      await lab.proxy.apply([route('app', port, [upstream])]);
      // Bound, so that NGINX cannot have it, but not listening, so that nobody sees it before.
      const program = `socket(S,2,1,0);bind(S,pack("Sna4x8",2,${hidden},"\\0\\0\\0\\0"));open F,">/tmp/bound";print F $$;close F;sleep 600`;
      const holding = on().exec(['perl', '-e', program]);
      await eventually(() => shell(on(), 'cat /tmp/bound').then((pid) => pid !== ''), DEADLINE);
      try {
        const { rejected } = await lab.proxy.apply([route('app', port, [upstream]), route('late', hidden, [upstream])]);
        assert.deepEqual(
          rejected.map(({ name }) => name),
          ['late'],
        );
        assert.match(rejected[0]?.reason ?? '', /^NGINX goes on with what was live before/);
        assert.equal(await text(on(), port), String(upstream.port));
        assert.equal(await shell(on(), `ls ${CONF}`), '00-avishkar.conf\napp.conf\n');
        // Where NGINX's log may be read, it says which one it is, and the others are not kept waiting.
        await shell(on(), 'chmod 755 /var/log/nginx; chmod 644 /var/log/nginx/error.log');
        const other = await lab.freePort();
        const named = await lab.proxy.apply([
          route('app', port, [upstream]),
          route('late', hidden, [upstream]),
          route('other', other, [upstream]),
        ]);
        assert.deepEqual(named.rejected, [{ name: 'late', reason: `port ${hidden} is taken by another program` }]);
        assert.equal(await text(on(), other), String(upstream.port));
      } finally {
        await shell(on(), 'kill $(cat /tmp/bound); rm /tmp/bound; chmod 640 /var/log/nginx/error.log');
        await holding;
      }
    });
  }

  test('what others have in NGINX’s folders stays, with paths of their own', async (t) => {
    const lab = await start(t, lua);
    const upstream = await app(t);
    const [port, theirs, mine] = [await lab.freePort(), await lab.freePort(), await lab.freePort()];
    await foreign(t, lua, '/etc/nginx/snippets/answer.conf', 'return 200 theirs;\n');
    const site = (at: number): string => `server { listen ${at}; location / { include snippets/answer.conf; } }\n`;
    await foreign(t, lua, '/etc/nginx/sites-enabled/site', site(theirs));
    await foreign(t, lua, `${CONF}/mine.conf`, site(mine));
    const { rejected } = await lab.proxy.apply([route('app', port, [upstream]), route('mine', port + 300, [upstream])]);
    assert.deepEqual(rejected, [{ name: 'mine', reason: `${CONF}/mine.conf is somebody else’s file` }]);
    assert.deepEqual([await text(lua, theirs), await text(lua, mine)], ['theirs', 'theirs']);
    const taken = await lab.proxy.apply([route('app', theirs, [upstream])]);
    assert.deepEqual(taken.rejected, [{ name: 'app', reason: `port ${theirs} is taken by another program` }]);
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
    const lines = await lab.proxy.examine();
    assert.ok(
      lines.some((line) => line.includes('`worker_connections 4096;` inside `events { … }`')),
      lines.join('\n'),
    );
    await lab.proxy.apply([]);
  });

  test('a main file that does not read ours, and a user who may not run NGINX, are said with the line to write', async (t) => {
    const lab = await start(t, lua, { lookEveryMs: 60_000 });
    await shell(lua, 'cp /etc/nginx/nginx.conf /tmp/main; sed -i "/conf.d/d" /etc/nginx/nginx.conf');
    try {
      await assert.rejects(
        lab.proxy.apply([]),
        /does not read the platform’s files: add `include \/etc\/nginx\/conf\.d\/\*\.conf;`/,
      );
      assert.match((await lab.proxy.examine())[0] ?? '', /add `include/);
    } finally {
      await shell(lua, 'cp /tmp/main /etc/nginx/nginx.conf');
    }
    await shell(lua, 'mv /etc/sudoers.d/avishkar /tmp/sudoers');
    try {
      await lab.proxy.apply([]).then(
        () => assert.fail('without a right to run NGINX'),
        (error) => assert.match(String(error), /may not run NGINX on VM1 \(sudo: /),
      );
      const lines = await lab.proxy.examine();
      assert.match(
        lines.at(-1) ?? '',
        /Write `avishkar ALL=\(root\) NOPASSWD: \/usr\/sbin\/nginx "", .*` to \/etc\/sudoers\.d\/avishkar/,
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
    // Waits for the reload that brought it.
    await lab.proxy.examine();
    const before = readAnew(lab);
    await lab.proxy.apply([route('app', port, [one])]);
    assert.equal(await text(lua, port), String(one.port));
    assert.equal(readAnew(lab), before);
  });

  test('workers whose first process was killed serve on, and NGINX starts anew once they are gone', async (t) => {
    const lab = await start(t, lua);
    const [one, two] = [await app(t), await app(t)];
    const [port, late] = [await lab.freePort(), await lab.freePort()];
    await lab.proxy.apply([route('app', port, [one])]);
    await shell(lua, 'kill -9 $(cat /run/nginx.pid)');
    const { rejected } = await lab.proxy.apply([route('app', port, [two]), route('late', late, [two])]);
    assert.match(
      rejected.map(({ name, reason }) => `${name}: ${reason}`).join(),
      /^late: NGINX’s first process on VM1 is gone .*pkill -x nginx/,
    );
    assert.equal(await text(lua, port), String(two.port));
    await shell(lua, 'pkill -9 -x nginx; true');
    await eventually(async () => (await text(lua, late)) === String(two.port), DEADLINE);
    assert.equal(await text(lua, port), String(two.port));
  });

  test('an NGINX that was started anew goes by its files, and hears of changes again', async (t) => {
    const lab = await start(t, lua, { lookEveryMs: 60_000 });
    const [one, two] = [await app(t), await app(t)];
    const port = await lab.freePort();
    await lab.proxy.apply([route('app', port, [one])]);
    await lab.proxy.apply([route('app', port, [two])]);
    await lua.kill('nginx');
    await lua.begin('nginx');
    await eventually(async () => (await text(lua, port)) === String(two.port), DEADLINE);
    const before = readAnew(lab);
    await lab.proxy.apply([route('app', port, [one])]);
    assert.equal(await text(lua, port), String(one.port));
    assert.equal(readAnew(lab), before);
  });

  test('a balancer that is cut off goes on, and gets the change once it is back', async (t) => {
    const lab = await start(t, lua);
    const [one, two] = [await app(t), await app(t)];
    const port = await lab.freePort();
    await lab.proxy.apply([route('app', port, [one])]);
    await lua.cut();
    await assert.rejects(lab.proxy.apply([route('app', port, [two])]), { code: 'AVK_HOST_UNREACHABLE' });
    await lua.heal();
    await eventually(async () => (await text(lua, port)) === String(two.port), DEADLINE);
  });

  test('a balancer that lost its power serves again when it is back, before anybody asks', async (t) => {
    const lab = await start(t, plain);
    const upstream = await app(t);
    const port = await lab.freePort();
    await lab.proxy.apply([route('app', port, [upstream])]);
    await lab.proxy.close();
    await plain.powerOff();
    await plain.powerOn();
    await eventually(async () => (await text(plain, port)) === String(upstream.port), DEADLINE);
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
