import assert from 'node:assert/strict';
import { copyFileSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { Check } from '../../src/domain/check.ts';
import { refused } from '../e2e/http.support.ts';
import { type Api, signIn } from '../support/api.ts';
import { webApp } from '../support/apps.ts';
import { type Cli, createCli } from '../support/cli.ts';
import { eventually } from '../support/eventually.ts';
import { type Home, newHome, PASSWORD, startPlatform, type TestPlatform } from '../support/platform.ts';
import { nodeIs, replicasOn, serves, vmNamed } from './controller.ts';
import { bringUpFleet, type Fleet, fleetOrSkip } from './fleet.ts';

const LATER = { deadlineMs: 60_000 };

describe('machines that come and go while the platform runs', fleetOrSkip(), () => {
  let fleet: Fleet;
  let home: Home;
  let flags: string[];
  let platform: TestPlatform;
  let api: Api;
  let cli: Cli;

  before(async () => {
    fleet = await bringUpFleet(3);
    home = newHome();
    // Two of them are in the configuration; the third one comes later.
    const config = join(home.directory, 'avishkar.yml');
    writeFileSync(config, JSON.stringify({ vms: fleet.vmDetails.slice(0, 2), loadBalancer: { vm: 'VM1' } }));
    flags = ['--config', config];
    await up();
    await api.provide(webApp('web'));
    cli = createCli({ AVISHKAR_URL: platform.url, AVISHKAR_PASSWORD: PASSWORD });
    await cli.run('login', '--user', 'admin');
  });
  after(async () => {
    cli?.remove();
    await platform?.stop();
    await fleet?.down();
    home?.remove();
  });

  async function up(): Promise<void> {
    platform = await startPlatform({ home, flags });
    api = await signIn(platform.url);
  }
  const third = (): string[] => {
    const { name, address, user, keyPath } = vmNamed(fleet, 'VM3');
    return [name, address, '--user', user, '--key', keyPath];
  };
  const names = async (): Promise<string[]> =>
    (await api.get<{ nodes: { name: string }[] }>('/api/nodes/')).nodes.map(({ name }) => name);

  test('machines say what they are to the platform', async () => {
    const { nodes } = await api.get<{ nodes: { name: string; role: string }[] }>('/api/nodes/');
    assert.deepEqual(
      nodes.map(({ name, role }) => [name, role]),
      [
        ['VM1', 'balancer'],
        ['VM2', 'worker'],
      ],
    );
  });

  test('doctor says of each machine what it lacks, and asks none for tools that only Docker’s images need', async () => {
    const vm = vmNamed(fleet, 'VM1');
    const doctor = async (): Promise<Check[]> => JSON.parse((await cli.run('doctor', '--json')).stdout).checks;
    const about = (checks: Check[]): string[] =>
      checks.filter(({ name }) => /^VM\d .|apps$/.test(name)).map(({ name, status }) => `${name} ${status}`);
    await nodeIs(api, 'VM1', 'ready');
    await nodeIs(api, 'VM2', 'ready');
    const sound = await doctor();
    assert.deepEqual(
      about(sound).filter((line) => !line.endsWith('warning')),
      ['VM2 setup ok'],
      'VM1 has a warning about NGINX’s main file',
    );
    await vm.exec(['mv', '/etc/sudoers.d/avishkar', '/sudo']);
    try {
      const found = (await doctor()).filter(({ status }) => status === 'failed');
      assert.deepEqual(about(found), ['VM1 sudo failed']);
      assert.match(found[0]?.remedy ?? '', /On VM1: .*sudoers\.d/);
    } finally {
      await vm.exec(['mv', '/sudo', '/etc/sudoers.d/avishkar']);
    }
  });

  test('a machine that lacks something is not taken in, and each thing is said with what to do', async () => {
    const vm = vmNamed(fleet, 'VM3');
    await vm.exec(['gpasswd', '--delete', vm.user, 'docker']);
    try {
      const tried = await cli.run('nodes', 'try', ...third());
      assert.equal(tried.code, 1, tried.stderr);
      assert.match(tried.stdout, /^FAILED +docker: /m);
      assert.match(tried.stdout, /usermod|group/);
      const added = await cli.run('nodes', 'add', ...third());
      assert.equal(added.code, 1);
      assert.match(added.stderr, /VM3 cannot be taken in: .*AVK_UNACCEPTABLE/s);
      assert.deepEqual(await names(), ['VM1', 'VM2']);
    } finally {
      await vm.exec(['usermod', '--append', '--groups', 'docker', vm.user]);
    }
    // Nothing is kept of a machine that was only looked at, also when it was another one: VM3 can be taken in below.
    const { address, user, keyPath } = vmNamed(fleet, 'VM2');
    assert.equal((await cli.run('nodes', 'try', 'VM3', address, '--user', user, '--key', keyPath)).code, 0);
    const pins = join(home.directory, 'host-keys.json');
    assert.ok(!existsSync(pins) || !readFileSync(pins, 'utf8').includes('VM3'), 'its host key was kept');
    const unreachable = { ...fleet.vmDetails[2], vm_ip: fleet.gateway.replace(/\.1$/, '.99') };
    const { checks } = await api.post<{ checks: Check[] }>('/api/nodes/check/', unreachable);
    assert.ok(checks.some(({ status, detail }) => status === 'failed' && /\.99/.test(detail)));
  });

  test('a machine is taken in, used, drained and let go of; both outlive a restart', async () => {
    const vm = vmNamed(fleet, 'VM3');
    // Twice at once: one of them does it.
    const both = await Promise.all([1, 2].map(() => cli.run('nodes', 'add', ...third())));
    const [added, other] = both.sort((a, b) => (a.code ?? 0) - (b.code ?? 0));
    assert.ok(added && other);
    assert.equal(added.code, 0, added.stdout + added.stderr);
    assert.match(other.stderr, /AVK_CONFLICT/);
    assert.match(added.stdout, /VM3 is a machine of the platform now\./);
    await nodeIs(api, 'VM3', 'ready');
    for (const [changes, path] of [
      [{}, 'vm_name'],
      [{ vm_name: 'VM4' }, 'vm_ip'],
    ] as const) {
      const answer = await api.request('POST', '/api/nodes/', { ...fleet.vmDetails[2], ...changes });
      assert.equal((await refused(answer, 409, 'AVK_CONFLICT')).errors[0]?.path, path);
    }
    await api.deploy('web', { instanceName: 'wide', scale: { min: 3, max: 3 } });
    const { endpoint } = await api.reaches('wide', 'running');
    await eventually(async () => (await replicasOn(vm, 'wide')).length === 1, LATER);

    await platform.stop();
    await up();
    await nodeIs(api, 'VM3', 'ready');
    assert.equal((await cli.run('nodes', 'check', 'VM3')).code, 0);

    const busy = await cli.run('nodes', 'rm', 'VM3');
    assert.match(busy.stderr, /1 replica runs on VM3; drain it first/);
    await refused(await api.request('DELETE', '/api/nodes/VM1'), 422, 'AVK_UNACCEPTABLE');
    await refused(await api.request('DELETE', '/api/nodes/VM9'), 404, 'AVK_NOT_FOUND');
    const drained = await cli.run('drain', 'VM3');
    assert.equal(drained.code, 0, drained.stderr);
    assert.equal((await cli.run('nodes', 'rm', 'VM3')).code, 0);
    assert.deepEqual(await names(), ['VM1', 'VM2']);
    await serves(endpoint);

    await platform.stop();
    await up();
    assert.deepEqual(await names(), ['VM1', 'VM2']);
  });

  test('a machine that moved at run time is where it moved to after a restart, also when its key is gone', async () => {
    const { address, user, keyPath } = vmNamed(fleet, 'VM3');
    const key = join(home.directory, 'key-of-vm2');
    copyFileSync(keyPath, key);
    assert.equal((await cli.run('drain', 'VM2')).code, 0);
    assert.equal((await cli.run('nodes', 'rm', 'VM2')).code, 0);
    const moved = await cli.run('nodes', 'add', 'VM2', address, '--user', user, '--key', key);
    assert.equal(moved.code, 0, moved.stdout + moved.stderr);
    await nodeIs(api, 'VM2', 'ready');

    await platform.stop();
    rmSync(key);
    await up();
    await nodeIs(api, 'VM2', 'lost');
    const told = (await cli.run('nodes')).stdout;
    const [line = ''] = told.split('\n').filter((each) => each.startsWith('VM2'));
    assert.ok(line.includes(address) && line.includes(`there is no private key at ${key}`), told);

    assert.equal((await cli.run('nodes', 'rm', 'VM2')).code, 0);
    const old = vmNamed(fleet, 'VM2');
    const back = await cli.run('nodes', 'add', 'VM2', old.address, '--user', old.user, '--key', old.keyPath);
    assert.equal(back.code, 0, back.stdout + back.stderr);
    await nodeIs(api, 'VM2', 'ready');
  });

  test('a machine that is lost for good is let go of, and what ran there is elsewhere', async () => {
    assert.equal((await cli.run('nodes', 'add', ...third())).code, 0);
    await nodeIs(api, 'VM3', 'ready');
    await api.request('POST', '/api/nodes/VM2/drain/');
    await nodeIs(api, 'VM2', 'drained', 60_000);
    await api.deploy('web', { instanceName: 'bereft', scale: { min: 2, max: 2 } });
    const { endpoint } = await api.reaches('bereft', 'running');
    await eventually(async () => (await replicasOn(vmNamed(fleet, 'VM3'), 'bereft')).length === 1, LATER);
    await vmNamed(fleet, 'VM3').powerOff();
    await nodeIs(api, 'VM3', 'lost');
    assert.match((await cli.run('nodes')).stdout, /^VM3 .* lost +- +- +- +- /m, 'nobody knows how it is');
    assert.equal((await cli.run('nodes', 'rm', 'VM3')).code, 0);
    await eventually(async () => {
      const { replicas } = await api.instance('bereft');
      return replicas.length === 2 && replicas.every(({ node, state }) => node !== 'VM3' && state === 'healthy');
    }, LATER);
    await serves(endpoint);
  });
});
