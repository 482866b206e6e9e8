import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type Api, type Instance, signIn } from '../support/api.ts';
import { webApp } from '../support/apps.ts';
import { eventually } from '../support/eventually.ts';
import { machineOf } from '../support/machine.ts';
import { type Home, newHome, startPlatform, type TestPlatform } from '../support/platform.ts';
import { appProcesses } from '../support/processes.ts';

const NODES = 3;

interface Node {
  name: string;
  address: string;
  state: string;
  cpuPercent: number;
  memoryPercent: number;
  diskPercent: number;
  score: number;
  replicas: number;
  lastSeen: string;
}

describe('three machines', () => {
  let home: Home;
  let platform: TestPlatform;
  let api: Api;

  before(async () => {
    home = newHome();
    platform = await startPlatform({ home, flags: ['--nodes', String(NODES)] });
    api = await signIn(platform.url);
    await api.provide(webApp('web'));
  });

  after(async () => {
    assert.equal(await platform.stop(), 0, platform.output());
    assert.deepEqual(appProcesses(home.directory), []);
    home.remove();
  });

  const nodes = async (): Promise<Node[]> => (await api.get<{ nodes: Node[] }>('/api/nodes/')).nodes;

  /** The ports of a machine: the range in equal parts, in the machines' order. */
  function shareOf(node: string): { first: number; last: number } {
    const [first = 0, last = 0] = home.slot.replicaPorts.split('-').map(Number);
    const size = Math.floor((last - first + 1) / NODES);
    const index = Number(node.replace('node', '')) - 1;
    return { first: first + index * size, last: first + (index + 1) * size - 1 };
  }

  function assertInShare(replicas: Instance['replicas']): void {
    for (const { node, hostPort, name } of replicas) {
      const { first, last } = shareOf(node);
      assert.ok(hostPort >= first && hostPort <= last, `${name} has port ${hostPort}, ${node} has ${first}-${last}`);
    }
  }

  test('all are ready, with figures, an address of their own and a fresh sample', async () => {
    await eventually(async () => (await nodes()).every(({ state }) => state === 'ready'));
    const all = await nodes();
    assert.deepEqual(
      all.map(({ name, address }) => [name, address]),
      ['node1', 'node2', 'node3'].map((name) => [name, machineOf(home, name).vm_ip]),
    );
    for (const node of all) {
      for (const key of ['cpuPercent', 'memoryPercent', 'diskPercent', 'score'] as const) {
        assert.ok(node[key] >= 0 && node[key] <= 100, `${node.name} ${key} ${node[key]}`);
      }
      assert.ok(Date.now() - Date.parse(node.lastSeen) < 5000, node.lastSeen);
    }
  });

  test('deployments go to all of them, each with a reason and a port of the machine’s share', async () => {
    const names = await Promise.all(Array.from({ length: 6 }, () => api.deploy('web')));
    const instances = await Promise.all(names.map((name) => api.reaches(name, 'running')));
    const perNode = Map.groupBy(instances, ({ node }) => node);
    assert.deepEqual([...perNode.keys()].sort(), ['node1', 'node2', 'node3']);
    for (const [node, own] of perNode) assert.ok(own.length <= 3, `${node} got ${own.length} of 6`);
    for (const { instanceName, node, replicas, endpoint } of instances) {
      assert.equal(replicas[0]?.node, node);
      assertInShare(replicas);
      assert.equal(await (await fetch(endpoint ?? '')).text(), `${instanceName}_instance_1`);
      const { events } = await api.get<{ events: { kind: string; text: string }[] }>(
        `/api/deployedApps/${instanceName}/events`,
      );
      const placed = events.find(({ kind }) => kind === 'placed')?.text ?? '';
      assert.ok(placed.startsWith(`${node} is the healthiest of 3 machines: `), placed);
    }
    const ports = instances.flatMap(({ replicas }) => replicas.map(({ hostPort }) => hostPort));
    assert.equal(new Set(ports).size, 6);
    await eventually(async () => (await nodes()).reduce((sum, { replicas }) => sum + replicas, 0) === 6);
    for (const name of names) await api.stop(name);
    for (const name of names) await api.reaches(name, 'stopped');
  });

  test('replicas of one instance are on different machines, evenly, and all serve', async () => {
    const name = await api.deploy('web', { instanceName: 'spread' });
    const { endpoint } = await api.reaches(name, 'running');
    const scaled = async (replicas: number): Promise<Instance> => {
      await api.post('/api/deployedApps/scale/', { instanceName: name, replicas });
      return eventually(async () => {
        const instance = await api.instance(name);
        const states = instance.replicas.map(({ state }) => state);
        return states.length === replicas && states.every((state) => state === 'healthy') ? instance : null;
      });
    };
    const three = await scaled(3);
    assert.deepEqual(three.replicas.map(({ node }) => node).sort(), ['node1', 'node2', 'node3']);
    assertInShare(three.replicas);
    for (const { node, placement } of three.replicas) assert.ok(placement.startsWith(`${node} is `), placement);
    const six = await scaled(6);
    const counts = [...Map.groupBy(six.replicas, ({ node }) => node).values()].map((own) => own.length);
    assert.deepEqual(counts, [2, 2, 2]);
    assertInShare(six.replicas);
    assert.equal(new Set(six.replicas.map(({ hostPort }) => hostPort)).size, 6);
    const seen = new Set<string>();
    await eventually(async () => seen.add(await (await fetch(endpoint ?? '')).text()).size === 6);
    await api.stop(name);
    await api.reaches(name, 'stopped');
  });
});
