import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type Api, apiWith, signIn } from '../support/api.ts';
import { webApp } from '../support/apps.ts';
import { machineOf, serveApart } from '../support/machine.ts';
import { type Home, newHome, startPlatform, type TestPlatform } from '../support/platform.ts';
import { newUser, refused } from './http.support.ts';

const MANY = 50;

/** The starting document's clients: containers that run already, registered by hand. */
describe('registration at the load balancer', () => {
  let home: Home;
  let platform: TestPlatform;
  let balancer: Api;
  let admin: Api;
  let container: Awaited<ReturnType<typeof serveApart>>;
  let hostPort: number;
  let vmIp: string;

  before(async () => {
    home = newHome();
    platform = await startPlatform({ home });
    admin = await signIn(platform.url);
    balancer = apiWith(`http://127.0.0.1:${home.slot.port + 4}`, admin.token);
    container = await serveApart('node1');
    hostPort = container.port;
    vmIp = machineOf(home, 'node1').vm_ip;
  });

  after(async () => {
    assert.equal(await platform.stop(), 0, platform.output());
    await container.close();
    home.remove();
  });

  interface Registration {
    appName: string;
    hostPort?: number;
    containerId?: string;
    vmIp?: string;
  }

  function register(registration: Registration, method = 'GET'): Promise<Response> {
    const { appName } = registration;
    const all = {
      imageName: `${appName.toLowerCase()}_image`,
      vmIp,
      hostPort,
      containerPort: 8050,
      containerId: `cid-${appName}`,
      ...registration,
    };
    if (method === 'POST') return balancer.request('POST', '/registerApp', all);
    const query = new URLSearchParams();
    for (const [key, value] of Object.entries(all)) query.set(key, String(value));
    return balancer.request('GET', `/registerApp?${query}`);
  }
  async function registered(registration: Registration, method = 'GET'): Promise<string> {
    const response = await register(registration, method);
    const text = await response.text();
    assert.equal(response.status, 200, text);
    assert.match(text.replace(vmIp, 'IP'), /^IP:\d+$/);
    return text;
  }
  async function deregister(appName: string, method = 'GET'): Promise<void> {
    const response = await balancer.request(method, `/deregisterApp?appName=${appName}`);
    assert.deepEqual([response.status, await response.text()], [200, 'Success']);
  }

  test('a container that runs already gets an address as IP:PORT, and is served there', async () => {
    const address = await registered({ appName: 'Legacy' });
    assert.equal(await (await fetch(`http://${address}/some/path?x=1`)).text(), 'container at /some/path?x=1');
    assert.equal(await registered({ appName: 'Legacy' }), address, 'repeating it is harmless');
    assert.equal(await registered({ appName: 'Legacy' }, 'POST'), address, 'what acts by GET acts by POST too');
    assert.equal(await (await fetch(`http://${address}/`)).text(), 'container at /');
    await refused(await register({ appName: 'Legacy', containerId: 'another' }), 409, 'AVK_CONFLICT');
    await deregister('Legacy');
  });

  test('a deregistered app is not served any more; repeating is harmless, a late registration is 409', async () => {
    const address = await registered({ appName: 'Leaving' });
    await deregister('Leaving');
    await assert.rejects(fetch(`http://${address}/`));
    await deregister('Leaving');
    await deregister('Leaving', 'POST');
    await deregister('never-there');
    await refused(await register({ appName: 'Leaving' }), 409, 'AVK_DEREGISTERED');
    await assert.rejects(fetch(`http://${address}/`));
    const again = await registered({ appName: 'Leaving', containerId: 'a-new-one' });
    assert.notEqual(again, address, 'an address that was given lately is not given again');
    assert.equal(await (await fetch(`http://${again}/`)).text(), 'container at /');
    await deregister('Leaving');
    assert.equal((await fetch(`http://${vmIp}:${hostPort}/`)).status, 200, 'what we did not start goes on');
  });

  test('a name that differs in case only, and a machine’s port that is another’s, are 409', async () => {
    const address = await registered({ appName: 'Taken' });
    await refused(await register({ appName: 'TAKEN', hostPort: hostPort + 1 }), 409);
    await refused(await register({ appName: 'second' }), 409);
    assert.equal(await (await fetch(`http://${address}/`)).text(), 'container at /');
    const { instances } = await balancer.get<{ instances: { name: string }[] }>('/instances');
    assert.deepEqual(
      instances.map(({ name }) => name),
      ['Taken'],
    );
    await deregister('Taken');
    await deregister('second');
  });

  test('a registration that lacks something or names an unknown machine is refused, naming it', async () => {
    const query = new URLSearchParams({ appName: 'partial', vmIp });
    const missing = await refused(await balancer.request('GET', `/registerApp?${query}`), 400, 'AVK_BAD_REQUEST');
    assert.deepEqual(missing.errors.map(({ path }) => path).sort(), [
      'containerId',
      'containerPort',
      'hostPort',
      'imageName',
    ]);
    const elsewhere = await refused(await register({ appName: 'partial', vmIp: '192.0.2.1' }), 422, 'AVK_UNACCEPTABLE');
    assert.deepEqual([elsewhere.errors[0]?.path, elsewhere.errors[0]?.received], ['vmIp', '192.0.2.1']);
    for (const appName of ['../x', 'a;b', 'default', '']) await refused(await register({ appName }), 400);
    await refused(await register({ appName: 'partial', hostPort: 70_000 }), 400);
    await refused(await balancer.request('GET', '/deregisterApp'), 400);
    assert.deepEqual(await balancer.get('/instances'), { instances: [] });
  });

  test('users may not register or deregister, and nobody without a token', async () => {
    const developer = await newUser(platform.url, admin, 'Dora', 'developer');
    const theirs = apiWith(`http://127.0.0.1:${home.slot.port + 4}`, developer.token);
    for (const path of ['/registerApp?appName=x', '/deregisterApp?appName=x']) {
      for (const method of ['GET', 'POST']) {
        await refused(await theirs.request(method, path), 403, 'AVK_FORBIDDEN');
        await refused(await fetch(`http://127.0.0.1:${home.slot.port + 4}${path}`, { method }), 401);
      }
    }
  });

  test('fifty registrations at once get fifty addresses, all live, beside an app that is deployed meanwhile', async () => {
    await admin.provide(webApp('web'));
    const names = Array.from({ length: MANY }, (_, n) => `many-${n}`);
    const [addresses, deployed] = await Promise.all([
      Promise.all(names.map((appName, n) => registered({ appName, hostPort: n === 0 ? hostPort : 50_000 + n }))),
      admin.deploy('web').then((name) => admin.reaches(name, 'running')),
    ]);
    assert.equal(new Set([...addresses, deployed.endpoint?.replace('http://', '')]).size, MANY + 1);
    const { instances } = await balancer.get<{ instances: { name: string; endpoint: string }[] }>('/instances');
    const byName = new Map(instances.map(({ name, endpoint }) => [name, endpoint]));
    for (const [n, name] of names.entries()) assert.equal(byName.get(name), `http://${addresses[n]}`);
    assert.equal(byName.get(deployed.instanceName), deployed.endpoint);
    assert.equal(await (await fetch(`http://${addresses[0]}/`)).text(), 'container at /');
    // Nothing listens behind this one: our answer, not a refused connection.
    assert.equal((await fetch(`http://${addresses[1]}/`)).status, 502);
    const { services } = await admin.get<{ services: { name: string }[] }>('/api/platform/status/');
    assert.equal(services.length, 9, 'apps are not services');
    await Promise.all(names.map((name) => deregister(name)));
    for (const address of addresses) await assert.rejects(fetch(`http://${address}/`));
    assert.equal((await fetch(deployed.endpoint ?? '')).status, 200);
    await admin.stop(deployed.instanceName);
    await admin.reaches(deployed.instanceName, 'stopped');
  });

  test('the same app registered many times at once is registered once', async () => {
    const addresses = await Promise.all(Array.from({ length: 20 }, () => registered({ appName: 'Crowded' })));
    assert.equal(new Set(addresses).size, 1);
    await Promise.all(Array.from({ length: 10 }, () => deregister('Crowded')));
    await assert.rejects(fetch(`http://${addresses[0]}/`));
  });
});
