import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type Api, apiWith, type Instance, signIn } from '../support/api.ts';
import { webApp } from '../support/apps.ts';
import { eventually } from '../support/eventually.ts';
import { machineOf, serveApart } from '../support/machine.ts';
import { FLEET, type Home, newHome, startPlatform, type TestPlatform } from '../support/platform.ts';
import { newUser, refused } from './http.support.ts';

type Entry = Record<string, unknown>;

const VM_KEYS = [
  'hosted_apps',
  'latestAvailablePort',
  'vm_ip',
  'vm_key_path',
  'vm_name',
  'vm_service_path',
  'vm_username',
];
const APP_KEYS = [
  'appName',
  'containerIds',
  'containerPort',
  'hostPorts',
  'hostVm',
  'hostVms',
  'imageName',
  'instances',
  'nginxPort',
];
const SENTENCE =
  /^container - (\S+) is (healthy|unhealthy); RAM utilizatoin = (\d+(?:\.\d+)?)% ; CPU utilization = (\d+(?:\.\d+)?)%$/;

/** What the starting document's VmDetails.json, AppDetails.json, AppHealth.json and NginxPort.json hold. */
const FOLDERS = [
  'ApplicationManager',
  'PlatformInitializer',
  'DeploymentManager',
  'NodeManager',
  'LoadBalancer',
  'Scheduler',
  'SensorManager',
  'FaultMonitor',
  'Authenticator',
];

describe('the load balancer’s four documents', () => {
  let home: Home;
  let platform: TestPlatform;
  let admin: Api;
  let user: Api;

  before(async () => {
    home = newHome();
    platform = await startPlatform({ home, flags: ['--nodes', '2'] });
    const own = await signIn(platform.url);
    await own.provide(webApp('web'));
    const alice = await newUser(platform.url, own, 'Alice', 'user');
    const balancer = `http://127.0.0.1:${home.slot.port + 4}`;
    admin = apiWith(balancer, own.token);
    user = apiWith(balancer, alice.token);
  });

  after(async () => {
    assert.equal(await platform.stop(), 0, platform.output());
    home.remove();
  });

  const platformApi = (): Api => apiWith(platform.url, admin.token);
  /** Without the platform's own services, which are listed by their folder's name. */
  const document = async (name: string): Promise<Entry[]> =>
    (await admin.get<Entry[]>(`/${name}`))
      .filter(({ appName }) => !FOLDERS.includes(String(appName)))
      .map((entry) =>
        'hosted_apps' in entry
          ? { ...entry, hosted_apps: (entry.hosted_apps as string[]).filter((app) => !FOLDERS.includes(app)) }
          : entry,
      );
  const entryOf = async (name: string, app: string): Promise<Entry | undefined> =>
    (await document(name)).find(({ appName }) => appName === app);

  async function deployed(instanceName: string, replicas: number): Promise<Instance> {
    const api = platformApi();
    await api.deploy('web', { instanceName, scale: { min: replicas, max: replicas } });
    await api.reaches(instanceName, 'running');
    return eventually(async () => {
      const instance = await api.instance(instanceName);
      const healthy = instance.replicas.filter(({ state }) => state === 'healthy');
      return healthy.length === replicas ? instance : null;
    });
  }

  test('the platform’s own services are listed by their folder’s name, at the ports that they have', async () => {
    const details = (await admin.get<Entry[]>('/AppDetails')).filter(({ appName }) =>
      FOLDERS.includes(String(appName)),
    );
    assert.deepEqual(details.map(({ appName }) => String(appName)).sort(), FOLDERS.toSorted());
    for (const entry of details) {
      assert.deepEqual(Object.keys(entry).sort(), APP_KEYS);
      const [port] = entry.hostPorts as number[];
      assert.equal(entry.nginxPort, port);
      const hello = await (await fetch(`http://127.0.0.1:${port}/home`)).text();
      assert.equal(hello.replace('Hi, this is ', '').replaceAll(' ', ''), entry.appName);
    }
    const hosted = (await admin.get<Entry[]>('/VmDetails')).flatMap((vm) => vm.hosted_apps as string[]);
    // A controller is none of its machines.
    assert.deepEqual(hosted.toSorted(), FLEET === null ? FOLDERS.toSorted() : []);
    const health = (await admin.get<Entry[]>('/AppHealth')).map(({ appName }) => appName);
    assert.ok(FOLDERS.every((folder) => health.includes(folder)));
  });

  test('before anything is registered they list the machines and the first public port', async () => {
    const vms = await document('VmDetails');
    assert.deepEqual(
      vms.map(({ vm_name, vm_ip, hosted_apps }) => [vm_name, vm_ip, hosted_apps]),
      [
        ['node1', machineOf(home, 'node1').vm_ip, []],
        ['node2', machineOf(home, 'node2').vm_ip, []],
      ],
    );
    for (const vm of vms) {
      assert.deepEqual(Object.keys(vm).sort(), VM_KEYS);
      const { vm_username, vm_key_path, vm_service_path } = machineOf(home, String(vm.vm_name));
      assert.deepEqual(
        [vm.vm_username, vm.vm_key_path, vm.vm_service_path],
        [vm_username, vm_key_path, vm_service_path],
      );
      assert.equal(typeof vm.latestAvailablePort, 'number');
    }
    assert.deepEqual(await document('AppDetails'), []);
    assert.deepEqual(await document('AppHealth'), []);
    assert.deepEqual(await document('NginxPort'), [{ id: 'default', latestAvailablePort: home.slot.firstPort }]);
  });

  test('an app is listed with its machines, ports and containers, one of each per replica, numbers as numbers', async () => {
    const vmsBefore = await document('VmDetails');
    const [nginxBefore] = await document('NginxPort');
    const instance = await deployed('three', 3);
    const details = await eventually(async () => {
      const entry = await entryOf('AppDetails', 'three');
      return entry?.instances === 3 ? entry : null;
    });
    assert.deepEqual(Object.keys(details).sort(), APP_KEYS);
    assert.deepEqual(details, {
      appName: 'three',
      imageName: details.imageName,
      hostVm: instance.replicas[0]?.node,
      hostVms: instance.replicas.map(({ node }) => node),
      instances: 3,
      containerPort: 8050,
      hostPorts: instance.replicas.map((replica) => replica.hostPort),
      nginxPort: Number(new URL(instance.endpoint ?? '').port),
      containerIds: details.containerIds,
    });
    assert.match(String(details.imageName), /^web:1\.0\.0-[0-9a-f]{12}$/);
    assert.equal(new Set(details.containerIds as string[]).size, 3);

    const [nginx] = await document('NginxPort');
    assert.deepEqual(
      [nginxBefore?.latestAvailablePort, Number(nginx?.latestAvailablePort)],
      [details.nginxPort, Number(details.nginxPort) + 1],
    );
    const vms = await document('VmDetails');
    for (const { hosted_apps } of vms) assert.deepEqual(hosted_apps, ['three']);
    // Further replicas got the ports that were named, each machine's in turn.
    for (const { node, hostPort: port } of instance.replicas.slice(1)) {
      const named = vmsBefore.find(({ vm_name }) => vm_name === node)?.latestAvailablePort;
      assert.ok(Number(named) <= port, `${node}: ${named}, ${port}`);
      assert.ok(Number(vms.find(({ vm_name }) => vm_name === node)?.latestAvailablePort) > port);
    }

    const health = await entryOf('AppHealth', 'three');
    assert.deepEqual(Object.keys(health ?? {}).sort(), ['appName', 'stats']);
    const stats = ((health?.stats ?? []) as string[]).map(
      (sentence) => SENTENCE.exec(sentence) ?? assert.fail(sentence),
    );
    assert.deepEqual(
      stats.map(([, id]) => id),
      details.containerIds,
    );
    for (const [sentence, , state, ram, cpu] of stats) {
      const below = Number(ram) < 75 && Number(cpu) < 80;
      assert.equal(state, below ? 'healthy' : 'unhealthy', sentence);
    }

    await platformApi().stop('three');
    await platformApi().reaches('three', 'stopped');
    assert.deepEqual(await document('AppDetails'), []);
    assert.deepEqual(await document('AppHealth'), []);
    for (const { hosted_apps } of await document('VmDetails')) assert.deepEqual(hosted_apps, []);
  });

  test('a replica above its instance’s threshold is called unhealthy', async () => {
    const api = platformApi();
    await api.deploy('web', { instanceName: 'tight', scale: { min: 1, max: 1, memoryPercent: 1 } });
    await api.reaches('tight', 'running');
    const sentence = await eventually(async () => {
      const [first] = ((await entryOf('AppHealth', 'tight'))?.stats ?? []) as string[];
      return first && Number(SENTENCE.exec(first)?.[3]) >= 1 ? first : null;
    });
    assert.equal(SENTENCE.exec(sentence)?.[2], 'unhealthy', sentence);
    await api.stop('tight');
    await api.reaches('tight', 'stopped');
  });

  test('what was registered by a container alone is listed too; by POST parameters come either way, lbVmName or not', async () => {
    const container = await serveApart('node2');
    const parameters = {
      appName: 'Legacy',
      imageName: 'legacy_image',
      vmIp: machineOf(home, 'node2').vm_ip,
      containerId: '3f9a0c12',
      containerPort: '8050',
      hostPort: String(container.port),
    };
    const query = new URLSearchParams(parameters);
    const address = await (await admin.request('GET', `/registerApp?${query}&lbVmName=VM1`)).text();
    for (const again of [
      await admin.request('POST', `/registerApp?${query}`),
      await admin.request('POST', '/registerApp', parameters),
      await admin.request('POST', '/registerApp', { ...parameters, lbVmName: 'VM1' }),
    ]) {
      assert.deepEqual([again.status, await again.text()], [200, address]);
    }
    assert.deepEqual(await entryOf('AppDetails', 'Legacy'), {
      appName: 'Legacy',
      imageName: 'legacy_image',
      hostVm: 'node2',
      hostVms: ['node2'],
      instances: 1,
      containerPort: 8050,
      hostPorts: [container.port],
      nginxPort: Number(address.split(':')[1]),
      containerIds: ['3f9a0c12'],
    });
    assert.deepEqual(await entryOf('AppHealth', 'Legacy'), {
      appName: 'Legacy',
      stats: ['container - 3f9a0c12 is healthy; RAM utilizatoin = 0% ; CPU utilization = 0%'],
    });
    const hosts = (await document('VmDetails')).filter(({ hosted_apps }) =>
      (hosted_apps as string[]).includes('Legacy'),
    );
    assert.deepEqual(
      hosts.map(({ vm_name }) => vm_name),
      ['node2'],
    );
    for (const gone of [
      await admin.request('POST', '/deregisterApp', { appName: 'Legacy' }),
      await admin.request('POST', '/deregisterApp?appName=Legacy'),
      await admin.request('GET', '/deregisterApp?appName=Legacy'),
    ]) {
      assert.deepEqual([gone.status, await gone.text()], [200, 'Success']);
    }
    assert.equal(await entryOf('AppDetails', 'Legacy'), undefined);
    await refused(await admin.request('POST', `/registerApp?${query}`), 409, 'AVK_DEREGISTERED');
    const missing = await refused(await admin.request('POST', '/registerApp'), 422, 'AVK_UNACCEPTABLE');
    assert.ok(missing.errors.some(({ path }) => path === 'containerId'));
    await refused(await admin.request('POST', '/deregisterApp', ['Legacy']), 422, 'AVK_UNACCEPTABLE');
    await container.close();
  });

  test('they name everybody’s instances: an administrator’s token reads them, no other', async () => {
    for (const name of ['VmDetails', 'AppDetails', 'AppHealth', 'NginxPort']) {
      await refused(await fetch(`http://127.0.0.1:${home.slot.port + 4}/${name}`), 401, 'AVK_UNAUTHENTICATED');
      await refused(await user.request('GET', `/${name}`), 403, 'AVK_FORBIDDEN');
      assert.equal((await admin.request('GET', `/${name}/`)).status, 200, 'a trailing slash is harmless');
    }
  });
});
