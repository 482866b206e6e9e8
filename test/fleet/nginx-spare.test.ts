import assert from 'node:assert/strict';
import { after, before, describe, type TestContext, test } from 'node:test';
import type { NginxProxyOptions } from '../../src/adapters/reverse-proxy/nginx/proxy.ts';
import { ask, route } from '../contracts/reverse-proxy.support.ts';
import { eventually } from '../support/eventually.ts';
import { bringUpFleet, type Fleet, fleetOrSkip } from './fleet.ts';
import { CONF, foreign, type NginxLab, readAnew, shell, startApp, startLab, text, url } from './nginx-lab.ts';
import type { FleetVm } from './vm.ts';

const DEADLINE = { deadlineMs: 60_000 };
const LATE = { filesAfterMs: 600_000, lookEveryMs: 600_000 };

describe('ports that NGINX keeps ready for routes to come', fleetOrSkip(), () => {
  let fleet: Fleet;
  let vm: FleetVm;

  before(async () => {
    fleet = await bringUpFleet(1);
    [vm] = fleet.vms as [FleetVm];
  });
  after(() => fleet?.down());

  const start = (t: TestContext, options: Partial<NginxProxyOptions> = {}): Promise<NginxLab> =>
    startLab(t, vm, fleet.gateway, options);
  const files = (): Promise<string> => shell(vm, `ls ${CONF}`);

  test('a route at one of them is live without a reload, and its file follows', async (t) => {
    const lab = await start(t, { filesAfterMs: 300 });
    const [one, two] = [await startApp(t, fleet.gateway), await startApp(t, fleet.gateway)];
    const port = await lab.freePort();
    const first = route('first', port, [one]);
    await lab.proxy.apply([first]);
    const before = readAnew(lab);
    const rest = Array.from({ length: 5 }, (_, index) => route(`app-${index}`, port + 1 + index, [two]));
    assert.deepEqual(await lab.proxy.apply([first, ...rest]), { rejected: [] });
    assert.equal(readAnew(lab), before);
    for (const { publicPort } of rest) assert.equal(await text(vm, publicPort), String(two.port));
    assert.equal(await text(vm, port), String(one.port));
    await eventually(() => readAnew(lab) === before + 1, DEADLINE);
    assert.match(await files(), /^app-4\.conf$/m);
    for (const { publicPort } of rest) assert.equal(await text(vm, publicPort), String(two.port));
    // Other replicas need no file either to be known.
    await lab.proxy.apply([first, ...rest.map(({ name, publicPort }) => route(name, publicPort, [one]))]);
    for (const { publicPort } of rest) assert.equal(await text(vm, publicPort), String(one.port));
    await eventually(async () => (await shell(vm, `cat ${CONF}/app-4.conf`)).includes(`:${one.port}`), DEADLINE);
    assert.equal(readAnew(lab), before + 1);
  });

  test('one that is nobody’s is closed without a word, also after its route has gone', async (t) => {
    const lab = await start(t, LATE);
    const upstream = await startApp(t, fleet.gateway);
    const port = await lab.freePort();
    const first = route('first', port, [upstream]);
    await lab.proxy.apply([first]);
    await assert.rejects(ask(url(vm, port + 1)));
    await lab.proxy.apply([first, route('guest', port + 1, [upstream])]);
    assert.equal(await text(vm, port + 1), String(upstream.port));
    await lab.proxy.apply([first]);
    await assert.rejects(ask(url(vm, port + 1)));
    await lab.proxy.apply([first, route('other', port + 1, [], { note: 'starting' })]);
    const { status, body } = await ask(url(vm, port + 1));
    assert.equal(status, 503);
    assert.match(body.toString(), /other.*starting/s);
  });

  test('what NGINX was only told is in its files when the platform stops', async (t) => {
    const lab = await start(t, LATE);
    const upstream = await startApp(t, fleet.gateway);
    const port = await lab.freePort();
    const routes = [route('first', port, [upstream]), route('second', port + 1, [upstream])];
    await lab.proxy.apply(routes.slice(0, 1));
    await lab.proxy.apply(routes);
    assert.doesNotMatch(await files(), /second/);
    await lab.proxy.close();
    assert.match(await files(), /^second\.conf$/m);
    await vm.kill('nginx');
    await vm.begin('nginx');
    await eventually(async () => (await text(vm, port + 1)) === String(upstream.port), DEADLINE);
  });

  test('what NGINX was only told before the platform was killed is served on, and in its files after the next start', async (t) => {
    const killed = await start(t, LATE);
    const upstream = await startApp(t, fleet.gateway);
    const port = await killed.freePort();
    const routes = [route('first', port, [upstream]), route('second', port + 1, [upstream])];
    await killed.proxy.apply(routes.slice(0, 1));
    await killed.proxy.apply(routes);
    assert.equal(await text(vm, port + 1), String(upstream.port));
    const next = await start(t, LATE);
    assert.deepEqual(await next.proxy.apply(routes), { rejected: [] });
    assert.match(await files(), /^second\.conf$/m);
    assert.equal(await text(vm, port + 1), String(upstream.port));
  });

  test('a site of somebody else’s at one of them answers, and no app gets in its way', async (t) => {
    const lab = await start(t);
    const upstream = await startApp(t, fleet.gateway);
    const port = await lab.freePort();
    const first = route('first', port, [upstream]);
    await lab.proxy.apply([first]);
    await foreign(t, vm, '/etc/nginx/sites-enabled/site', `server { listen ${port + 1}; return 200 theirs; }\n`);
    await shell(vm, 'nginx -s reload');
    await eventually(async () => (await text(vm, port + 1)) === 'theirs', DEADLINE);
    const { rejected } = await lab.proxy.apply([first, route('guest', port + 1, [upstream])]);
    assert.deepEqual(
      rejected.map(({ name, portTaken }) => [name, portTaken]),
      [['guest', true]],
    );
    assert.equal(await text(vm, port + 1), 'theirs');
  });

  test('when another program has bound one of them, apps get along without', async (t) => {
    const lab = await start(t);
    const upstream = await startApp(t, fleet.gateway);
    const port = await lab.freePort();
    // Bound, so that NGINX cannot have it, but not listening, so that nobody sees it before.
    const program = `socket(S,2,1,0);bind(S,pack("Sna4x8",2,${port + 2},"\\0\\0\\0\\0"));open F,">/tmp/bound";print F $$;close F;sleep 600`;
    const holding = vm.exec(['perl', '-e', program]);
    await eventually(() => shell(vm, 'cat /tmp/bound').then((pid) => pid !== ''), DEADLINE);
    try {
      assert.deepEqual(await lab.proxy.apply([route('first', port, [upstream])]), { rejected: [] });
      assert.equal(await text(vm, port), String(upstream.port));
      assert.doesNotMatch(await shell(vm, `cat ${CONF}/00-avishkar.conf`), /avishkar_spare/);
    } finally {
      await shell(vm, 'kill $(cat /tmp/bound); rm /tmp/bound');
      await holding;
    }
  });
});
