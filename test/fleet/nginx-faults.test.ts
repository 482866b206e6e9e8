import assert from 'node:assert/strict';
import { after, before, describe, type TestContext, test } from 'node:test';
import type { NginxProxyOptions } from '../../src/adapters/reverse-proxy/nginx/proxy.ts';
import { ask, route, type TestUpstream } from '../contracts/reverse-proxy.support.ts';
import { eventually } from '../support/eventually.ts';
import { bringUpFleet, type Fleet, fleetOrSkip } from './fleet.ts';
import {
  BEYOND_SPARES,
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

  const start = (t: TestContext, vm: FleetVm, options: Partial<NginxProxyOptions> = {}): Promise<NginxLab> =>
    startLab(t, vm, fleet.gateway, options);
  const app = (t: TestContext): Promise<TestUpstream> => startApp(t, fleet.gateway);

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
      const old = await lab.freePort();
      const fresh = old + BEYOND_SPARES;
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
      const port = await lab.freePort();
      const hidden = port + BEYOND_SPARES;
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
        const reason = `port ${hidden} is taken by another program`;
        assert.deepEqual(named.rejected, [{ name: 'late', reason, portTaken: true }]);
        assert.equal(await text(on(), other), String(upstream.port));
      } finally {
        await shell(on(), 'kill $(cat /tmp/bound); rm /tmp/bound; chmod 640 /var/log/nginx/error.log');
        await holding;
      }
    });
  }

  test('an NGINX that is too busy to answer the platform keeps all that is live', async (t) => {
    const lab = await start(t, lua);
    const [one, two] = [await app(t), await app(t)];
    const [port, other] = [await lab.freePort(), await lab.freePort()];
    await lab.proxy.apply([route('app', port, [one])]);
    // As when all its connections are taken: it takes one more and closes it.
    const closes = await lab.holdPort(other);
    const redirect = `OUTPUT -t nat -p tcp -d 127.0.0.1 --dport 1989 -j REDIRECT --to-ports ${other}`;
    await shell(lua, `iptables -I ${redirect}`);
    try {
      const change = lab.proxy.apply([route('app', port, [two])]);
      await assert.rejects(change, /NGINX on VM1 runs and does not answer the platform; what is live there stays/);
      await eventually(() => lab.said.some((line) => line.startsWith('NGINX cannot be cared for at the moment')));
      assert.equal(await text(lua, port), String(one.port));
      assert.match(await shell(lua, `cat ${CONF}/app.conf`), /app_servers/);
    } finally {
      await shell(lua, `iptables -D ${redirect}`);
      await closes.release();
    }
    await eventually(async () => (await text(lua, port)) === String(two.port), DEADLINE);
  });

  test('workers whose first process was killed serve on, and NGINX starts anew once they are gone', async (t) => {
    const lab = await start(t, lua);
    const [one, two] = [await app(t), await app(t)];
    const port = await lab.freePort();
    const late = port + BEYOND_SPARES;
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
});
