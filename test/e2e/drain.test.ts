import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type Api, apiWith, type Instance, signIn } from '../support/api.ts';
import { webApp } from '../support/apps.ts';
import { busy } from '../support/busy.ts';
import { eventually } from '../support/eventually.ts';
import { embeddedOnly, type Home, newHome, startPlatform, type TestPlatform } from '../support/platform.ts';
import { outlivedBy } from '../support/processes.ts';
import { newUser, refused } from './http.support.ts';

interface Node {
  name: string;
  state: string;
  replicas: number;
  reason?: string;
}

describe('draining machines', () => {
  let home: Home;
  let platform: TestPlatform;
  let api: Api;
  const flags = ['--nodes', '3'];

  before(async () => {
    home = newHome();
    platform = await startPlatform({ home, flags });
    api = await signIn(platform.url);
    await api.provide(webApp('web', { stopSeconds: 1 }));
    await eventually(async () => (await nodes()).every(({ state }) => state === 'ready'));
  });

  after(async () => {
    assert.equal(await platform.stop(), 0, platform.output());
    assert.deepEqual(outlivedBy(home.directory), []);
    home.remove();
  });

  const nodes = async (): Promise<Node[]> => (await api.get<{ nodes: Node[] }>('/api/nodes/')).nodes;
  const nodeNamed = async (name: string): Promise<Node | undefined> => (await nodes()).find((one) => one.name === name);
  const wish = (verb: 'drain' | 'resume', name: string): Promise<{ name: string; state: string }> =>
    api.post(`/api/nodes/${name}/${verb}/`, {});

  async function becomes(name: string, state: string): Promise<Node> {
    return eventually(
      async () => {
        const node = await nodeNamed(name);
        return node?.state === state ? node : null;
      },
      { deadlineMs: 30_000 },
    );
  }

  /** Waits until exactly so many replicas are there, all healthy, none on the machines named. */
  async function placed(name: string, count: number, avoid: readonly string[] = []): Promise<Instance> {
    return eventually(
      async () => {
        const now = await api.instance(name);
        const fine = now.replicas.every(({ state, node }) => state === 'healthy' && !avoid.includes(node));
        return fine && now.replicas.length === count ? now : null;
      },
      { deadlineMs: 30_000 },
    );
  }

  test('a machine is emptied under traffic without a failed request, gets nothing new, and comes back', async () => {
    const name = await api.deploy('web', { instanceName: 'spread', scale: { min: 3, max: 3 } });
    const { endpoint } = await api.reaches(name, 'running');
    const before = await placed(name, 3);
    assert.deepEqual(before.replicas.map(({ node }) => node).sort(), ['node1', 'node2', 'node3']);
    {
      await using clients = busy(endpoint ?? '');
      await eventually(() => clients.served.size >= 3);
      for (let again = 0; again < 2; again += 1) {
        const { state } = await wish('drain', 'node1');
        assert.ok(['draining', 'drained'].includes(state), state);
      }
      await becomes('node1', 'drained');
      await placed(name, 3, ['node1']);
      await clients.noneFailed();
    }
    const moved = await placed(name, 3, ['node1']);
    assert.deepEqual([moved.endpoint, moved.generation], [before.endpoint, before.generation]);
    const stayed = before.replicas.filter(({ node }) => node !== 'node1').map(({ id }) => id);
    for (const id of stayed)
      assert.ok(
        moved.replicas.some((one) => one.id === id),
        'the others were not touched',
      );
    await api.post('/api/deployedApps/scale/', { instanceName: name, replicas: 5 });
    await placed(name, 5, ['node1']);
    const another = await api.deploy('web');
    assert.notEqual((await api.reaches(another, 'running')).node, 'node1');

    await wish('resume', 'node1');
    assert.equal((await wish('resume', 'node1')).state, 'ready');
    await api.post('/api/deployedApps/scale/', { instanceName: name, replicas: 6 });
    assert.ok(
      (await placed(name, 6)).replicas.some(({ node }) => node === 'node1'),
      'it is used again',
    );
    for (const each of [name, another]) await api.stop(each);
    for (const each of [name, another]) await api.reaches(each, 'stopped');
  });

  test('what has nowhere to go stays and serves, and the machine says why; a kill changes nothing', async () => {
    const name = await api.deploy('web', { instanceName: 'stuck', scale: { min: 2, max: 2 } });
    const { endpoint } = await api.reaches(name, 'running');
    await placed(name, 2);
    for (const { name: node } of await nodes()) await wish('drain', node);
    const stuck = async (): Promise<Node[]> =>
      (await nodes()).filter(({ reason }) => reason?.includes('nowhere to go'));
    const before = await eventually(async () => {
      const all = await stuck();
      return all.length > 0 && all.reduce((sum, { replicas }) => sum + replicas, 0) === 2 ? all : null;
    });
    for (const { reason, state, replicas } of before) {
      assert.equal(state, 'draining');
      const expected = new RegExp(
        `^${replicas} replicas? ha(s|ve) nowhere to go: no machine can take it: node1 is drain`,
      );
      assert.match(reason ?? '', expected);
    }
    await platform.kill();
    platform = await startPlatform({ home, flags });
    api = await signIn(platform.url);
    await eventually(async () => (await stuck()).length > 0);
    for (const { state } of await nodes()) assert.ok(['draining', 'drained'].includes(state), state);
    assert.match(await (await fetch(endpoint ?? '')).text(), /^stuck_instance_/);
    await placed(name, 2);
    const refusedDeploy = await api.deploy('web', { instanceName: 'later' });
    const failed = await api.reaches(refusedDeploy, 'failed');
    assert.match(failed.reason ?? '', /^placing it: no machine can take it/);
    const [{ name: first } = { name: '' }] = before;
    const free = ['node1', 'node2', 'node3'].find((node) => node !== first) ?? '';
    await wish('resume', free);
    await becomes(first, 'drained');
    await placed(
      name,
      2,
      ['node1', 'node2', 'node3'].filter((node) => node !== free),
    );
    assert.equal((await nodeNamed(first))?.reason, undefined);
    for (const { name: node } of await nodes()) await wish('resume', node);
    await api.stop(name);
    await api.reaches(name, 'stopped');
  });

  test('a new version comes in while a machine is drained', async () => {
    await api.provide(webApp('web', { version: '2.0.0', stopSeconds: 1 }));
    const name = await api.deploy('web', { version: '1.0.0', instanceName: 'both', scale: { min: 3, max: 3 } });
    const { endpoint } = await api.reaches(name, 'running');
    await placed(name, 3);
    await using clients = busy(endpoint ?? '');
    await api.post('/api/deployedApps/upgrade/', { instanceName: name, version: '2.0.0' });
    await wish('drain', 'node2');
    const done = await eventually(
      async () => {
        const now = await placed(name, 3, ['node2']);
        return now.version === '2.0.0' && !now.rollout ? now : null;
      },
      { deadlineMs: 30_000 },
    );
    assert.ok(done.replicas.every(({ generation }) => generation === 2));
    await clients.noneFailed();
    await wish('resume', 'node2');
    await api.stop(name);
    await api.reaches(name, 'stopped');
  });

  test('unknown machines are 404, others than administrators 403', async () => {
    for (const verb of ['drain', 'resume']) {
      const unknown = await refused(await api.request('POST', `/api/nodes/node9/${verb}/`, {}), 404, 'AVK_NOT_FOUND');
      assert.match(unknown.detail, /no machine node9; there is node1, node2, node3/);
    }
    // The node manager's own port takes an administrator's word, too, and repeating it is harmless.
    const own = apiWith(`http://127.0.0.1:${home.slot.port + 3}`, api.token);
    for (const [verb, state] of [
      ['drain', /^drain(ing|ed)$/],
      ['resume', /^ready$/],
      ['resume', /^ready$/],
    ] as const) {
      const answer = await own.request('POST', `/nodes/node3/${verb}`);
      assert.equal(answer.status, 202);
      assert.match(((await answer.json()) as { state: string }).state, state);
    }
    const dora = await newUser(platform.url, api, 'Dora', 'developer');
    await refused(await dora.request('POST', '/api/nodes/node1/drain/', {}), 403, 'AVK_FORBIDDEN');
    assert.equal((await nodeNamed('node1'))?.state, 'ready');
  });

  const pretended = embeddedOnly('machines come and go');
  test('machines that are pretended can neither come nor go, nor be checked', pretended, async () => {
    const machine = { vm_name: 'VM9', vm_ip: '10.0.0.9', vm_username: 'avishkar', vm_service_path: '/home/avishkar' };
    for (const [method, path, body] of [
      ['POST', '/api/nodes/', machine],
      ['POST', '/api/nodes/check/', machine],
      ['GET', '/api/nodes/node1/check/', undefined],
      ['DELETE', '/api/nodes/node1', undefined],
    ] as const) {
      const { detail } = await refused(await api.request(method, path, body), 422, 'AVK_UNACCEPTABLE');
      assert.match(detail, /--nodes/);
    }
    const own = apiWith(`http://127.0.0.1:${home.slot.port + 3}`, api.token);
    for (const [method, path, body] of [
      ['POST', '/machines', machine],
      ['POST', '/machines/check', machine],
      ['GET', '/machines/node1/check', undefined],
      ['DELETE', '/machines/node1', undefined],
    ] as const) {
      await refused(await own.request(method, path, body), 422, 'AVK_UNACCEPTABLE');
    }
    const { vm_name: _name, ...nameless } = machine;
    await refused(await api.request('POST', '/api/nodes/', nameless), 422, 'AVK_UNACCEPTABLE');
    await refused(
      await api.request('POST', '/api/nodes/', { ...machine, vm_key_path: 'key' }),
      422,
      'AVK_UNACCEPTABLE',
    );
    for (const change of [{ vm_ip: 'vm9.example.org' }, { hostKey: 'SHA256:short' }]) {
      for (const path of ['/api/nodes/', '/api/nodes/check/']) {
        const answer = await refused(
          await api.request('POST', path, { ...machine, ...change }),
          422,
          'AVK_UNACCEPTABLE',
        );
        assert.match(answer.errors[0]?.path ?? '', new RegExp(Object.keys(change)[0] ?? ''));
      }
    }
  });
});
