import assert from 'node:assert/strict';
import { after, afterEach, before, describe, type TestContext, test } from 'node:test';
import { appOf, webApp } from '../support/apps.ts';
import { eventually } from '../support/eventually.ts';
import { neverStopsAsking, nodeIs, serves, vmNamed } from './controller.ts';
import { type FaultLab, startFaultLab, victimOf } from './fault-lab.ts';
import { fleetOrSkip } from './fleet.ts';

const LATER = { deadlineMs: 60_000 };
const CONF = '/etc/nginx/conf.d';
const KEYS = '/home/avishkar/.ssh/authorized_keys';

/** Says its replica's name, and so does each line it prints. */
const TALKER = `const http = require('node:http');
const name = process.env.AVISHKAR_REPLICA;
let count = 0;
setInterval(() => console.log('line', (count += 1), 'of', name), 200);
http.createServer((q, s) => s.end(name)).listen(process.env.PORT);
process.on('SIGTERM', () => process.exit(0));`;

describe('faults on the way to apps and to what they print', fleetOrSkip(), () => {
  let lab: FaultLab;

  before(async () => {
    lab = await startFaultLab();
    await lab.api.provide(webApp('web'));
    await lab.api.provide(appOf('talker', TALKER, { health: { path: '/', startSeconds: 20 } }));
  });
  after(() => lab?.close());
  afterEach(() => lab.calm());

  test('a machine that refuses the platform’s key: its apps serve, it counts as lost and says why, and is back by itself', async (t) => {
    const before = await lab.deploy('web', 'keyless', 2);
    const client = asking(t, before.endpoint);
    const vm = victimOf(lab, before);
    await vm.exec(['mv', KEYS, `${KEYS}.away`]);
    // Connections that stand go on without the key.
    await vm.kill('sshd');
    await vm.begin('sshd');
    await nodeIs(lab.api, vm.name, 'lost');
    const reason = async (): Promise<string> => {
      const { nodes } = await lab.api.get<{ nodes: { name: string; reason?: string }[] }>('/api/nodes/');
      return nodes.find(({ name }) => name === vm.name)?.reason ?? '';
    };
    await eventually(
      async () => /authorized_keys.*ssh-copy-id|ssh-copy-id.*authorized_keys/s.test(await reason()),
      LATER,
    );
    await lab.comesTo('keyless', { replicas: 2, without: vm });
    await vm.exec(['mv', `${KEYS}.away`, KEYS]);
    await nodeIs(lab.api, vm.name, 'ready', LATER.deadlineMs);
    await lab.existsOnce('keyless', 2);
    await client.stop();
    assert.ok(client.asked() > 50);
    assert.deepEqual(client.failures, []);
  });

  test('an app’s NGINX file edited or deleted by hand is put back, and no request fails', async (t) => {
    const endpoints = [
      (await lab.deploy('web', 'edited', 1)).endpoint ?? '',
      (await lab.deploy('web', 'deleted', 1)).endpoint ?? '',
    ];
    const clients = endpoints.map((endpoint) => asking(t, endpoint));
    const balancer = vmNamed(lab.fleet, 'VM1');
    const files = [`${CONF}/edited.conf`, `${CONF}/deleted.conf`];
    const whole = async (): Promise<boolean> => {
      const { stdout } = await balancer.exec(['cat', ...files]);
      return endpoints.every((endpoint) => stdout.includes(`listen 0.0.0.0:${new URL(endpoint).port};`));
    };
    await eventually(whole, LATER);
    // Both at once, and not while the platform has NGINX read them: their ports would be lost until the next look.
    const edit = 'flock "$1" sed -i "s/listen .*;/listen 1;/" "$2"; rm "$3"';
    await balancer.exec(['sh', '-c', edit, 'sh', `${CONF}/.avishkar/lock`, ...files]);
    assert.equal(await whole(), false);
    await eventually(whole, LATER);
    for (const client of clients) {
      const asked = client.asked();
      await eventually(() => client.asked() > asked + 50, LATER);
      assert.deepEqual(client.failures, []);
    }
  });

  test('NGINX that was killed is started again; from then on no request fails', async (t) => {
    const { endpoint } = await lab.deploy('web', 'nginxless', 2);
    const client = asking(t, endpoint);
    await eventually(() => client.asked() > 10);
    assert.deepEqual(client.failures, []);
    await vmNamed(lab.fleet, 'VM1').kill('nginx');
    await eventually(() => client.failures.length > 0, LATER);
    await serves(endpoint, 60_000);
    const failed = client.failures.length;
    const asked = client.asked();
    await eventually(() => client.asked() > asked + 50, LATER);
    await client.stop();
    assert.deepEqual(client.failures.slice(failed), []);
  });

  test('a follower of logs goes on while a VM is cut off, and ends with its instance', async () => {
    const before = await lab.deploy('talker', 'talking', 2);
    const victim = victimOf(lab, before);
    const cut = before.replicas.find(({ node }) => node === victim.name)?.name ?? '';
    const other = before.replicas.find(({ node }) => node !== victim.name)?.name ?? '';
    assert.ok(cut && other, `not on two machines: ${JSON.stringify(before)}`);
    const follower = await follow('talking');
    await eventually(() => {
      assert.deepEqual(follower.replicas().sort(), [cut, other].sort(), follower.text());
      return true;
    }, LATER);
    await victim.cut();
    const heard = follower.from(other);
    await eventually(() => follower.from(other) > heard + 20, LATER);
    assert.equal(follower.ended(), false);
    // Those who come now hear the others, too, and what there is already.
    const late = await follow('talking');
    await eventually(() => late.from(other) > 10, LATER);
    const { lines } = await lab.api.get<{ lines: { replica: string }[] }>('/api/deployedApps/talking/logs?tail=50');
    assert.ok(lines.some(({ replica }) => replica === other));
    // The one that took the place of what was cut off is followed as well.
    await lab.comesTo('talking', { replicas: 2, without: victim });
    await eventually(() => follower.replicas().length === 3, LATER);
    await lab.api.stop('talking');
    await lab.api.reaches('talking', 'stopped');
    await eventually(() => follower.ended() && late.ended(), LATER);
    for (const each of [follower, late]) assert.equal(each.problem(), null);
  });

  function asking(t: TestContext, endpoint: string | null): ReturnType<typeof neverStopsAsking> {
    const client = neverStopsAsking(endpoint ?? '');
    t.after(() => client.stop());
    return client;
  }

  /** What a follower of an instance's logs has heard so far. */
  async function follow(name: string) {
    const response = await fetch(`${lab.platform.url}/api/deployedApps/${name}/logs?follow=true&tail=5`, {
      headers: { authorization: `Bearer ${lab.api.token}` },
    });
    assert.equal(response.status, 200);
    let text = '';
    let ended = false;
    const reading = (async () => {
      const decoder = new TextDecoder();
      for await (const piece of response.body ?? []) text += decoder.decode(piece, { stream: true });
    })();
    reading.finally(() => {
      ended = true;
    });
    const names = (): string[] => [...text.matchAll(/"replica":"([^"]+)"/g)].map(([, replica = '']) => replica);
    return {
      from: (replica: string): number => names().filter((each) => each === replica).length,
      replicas: (): string[] => [...new Set(names())],
      problem: (): string | null => /^event: problem\ndata: (.*)$/m.exec(text)?.[1] ?? null,
      ended: () => ended,
      text: () => text,
    };
  }
});
