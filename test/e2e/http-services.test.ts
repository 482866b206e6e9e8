import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { type Api, apiWith, signIn } from '../support/api.ts';
import { webApp } from '../support/apps.ts';
import { eventually } from '../support/eventually.ts';
import { machineOf } from '../support/machine.ts';
import { type Home, newHome, startPlatform, type TestPlatform } from '../support/platform.ts';
import { newUser, refused } from './http.support.ts';

/** The services there are, by their place after PORT. */
const SERVICES: Record<number, { home: string; name: string }> = {
  0: { home: 'ApplicationManager', name: 'application-manager' },
  1: { home: 'Platform Initializer', name: 'platform-initializer' },
  2: { home: 'DeploymentManager', name: 'deployment-manager' },
  3: { home: 'NodeManager', name: 'node-manager' },
  4: { home: 'LoadBalancer', name: 'load-balancer' },
  5: { home: 'Scheduler', name: 'scheduler' },
  6: { home: 'SensorManager', name: 'sensor-manager' },
  7: { home: 'FaultMonitor', name: 'fault-monitor' },
  8: { home: 'Authenticator', name: 'authenticator' },
};

interface OpenApi {
  openapi: string;
  info: { title: string; version: string };
  components: { securitySchemes: object };
  security: object[];
  paths: Record<string, Record<string, Operation>>;
}
interface Operation {
  summary?: string;
  security?: object[];
  parameters?: { name: string; in: string; required?: boolean }[];
  responses: Record<string, unknown>;
}

const OPEN = ['/home', '/health', '/api/auth/login/'];

describe('the services’ own ports', () => {
  let home: Home;
  let platform: TestPlatform;
  let admin: Api;
  let user: Api;

  before(async () => {
    home = newHome();
    platform = await startPlatform({ home });
    admin = await signIn(platform.url);
    user = await newUser(platform.url, admin, 'Alice', 'user');
    await admin.provide(webApp('web'));
  });

  after(async () => {
    assert.equal(await platform.stop(), 0, platform.output());
    home.remove();
  });

  const at = (offset: number): string => `http://127.0.0.1:${home.slot.port + offset}`;
  const nodeManager = (): Api => apiWith(at(3), admin.token);

  for (const [place, service] of Object.entries(SERVICES)) {
    const offset = Number(place);

    test(`${service.home} says who it is and that it is well; its logs and metrics are an administrator’s`, async () => {
      for (const slash of ['', '/']) {
        const hello = await fetch(`${at(offset)}/home${slash}`);
        assert.deepEqual([hello.status, await hello.text()], [200, `Hi, this is ${service.home}`]);
        const health = await fetch(`${at(offset)}/health${slash}`);
        assert.deepEqual([health.status, await health.text()], [200, 'Ok']);
        assert.match(health.headers.get('content-type') ?? '', /^text\/plain/);
      }
      for (const path of ['/get_logs', '/metrics']) {
        await refused(await fetch(at(offset) + path), 401, 'AVK_UNAUTHENTICATED');
        await refused(await apiWith(at(offset), user.token).request('GET', path), 403, 'AVK_FORBIDDEN');
      }
      const own = apiWith(at(offset), admin.token);
      const { logs } = await own.get<{ logs: string }>('/get_logs');
      assert.ok(logs.split('\n').length <= 11, 'ten lines at most');
      assert.match(await (await own.request('GET', '/metrics')).text(), /^(# |\w|\s*$)/);
      await refused(await own.request('GET', '/nothing'), 404, 'AVK_NOT_FOUND');
    });

    test(`${service.home} answers other origins, never with credentials`, async () => {
      const origin = 'http://elsewhere.example';
      const answers = await Promise.all([
        fetch(`${at(offset)}/health`, { headers: { origin } }),
        fetch(`${at(offset)}/get_logs`, { headers: { origin } }),
        fetch(`${at(offset)}/get_logs`, {
          method: 'OPTIONS',
          headers: {
            origin,
            'access-control-request-method': 'POST',
            'access-control-request-headers': 'authorization',
          },
        }),
      ]);
      assert.deepEqual(
        answers.map(({ status }) => status),
        [200, 401, 204],
      );
      for (const { headers } of answers) {
        assert.equal(headers.get('access-control-allow-origin'), '*');
        assert.equal(headers.get('access-control-allow-credentials'), null);
      }
      assert.match(answers[2]?.headers.get('access-control-allow-methods') ?? '', /POST/);
      assert.match(answers[2]?.headers.get('access-control-allow-headers') ?? '', /authorization/i);
    });

    test(`${service.home} describes each of its routes, and which need a token`, async () => {
      const response = await fetch(`${at(offset)}/openapi.json`);
      assert.equal(response.status, 200);
      const document = (await response.json()) as OpenApi;
      assert.match(document.openapi, /^3\./);
      assert.ok(document.info.title.includes(service.home) && document.info.version);
      assert.deepEqual(document.security, [{ token: [] }]);
      assert.ok('token' in document.components.securitySchemes);
      assert.ok('/home' in document.paths && '/metrics' in document.paths);
      for (const [path, operations] of Object.entries(document.paths)) {
        for (const [method, operation] of Object.entries(operations)) {
          const what = `${method} ${path}`;
          assert.ok(operation.summary, `${what} has no summary`);
          assert.ok(Object.keys(operation.responses).length > 0, `${what} has no response`);
          const security: object[] = operation.security ?? document.security;
          assert.equal(security.length === 0, OPEN.includes(path), `${what} says ${JSON.stringify(security)}`);
          const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
          const declared = (operation.parameters ?? []).filter((parameter) => parameter.in === 'path');
          assert.deepEqual(declared.map(({ name }) => name).sort(), inPath.sort(), what);
          // What it says is so: without a token, 401 before anything else.
          if (security.length > 0) {
            const url = at(offset) + path.replaceAll(/\{\w+\}/g, 'some-name');
            await refused(await fetch(url, { method: method.toUpperCase() }), 401, 'AVK_UNAUTHENTICATED');
          }
        }
      }
      const text = JSON.stringify(document);
      for (const [, ref] of text.matchAll(/"\$ref":"#\/([^"]+)"/g)) {
        const found = (ref ?? '')
          .split('/')
          .reduce<unknown>((value, key) => (value as Record<string, unknown>)?.[key], document);
        assert.ok(found, `${ref} leads nowhere`);
      }
    });
  }

  test('the documentation is there to read, and the address that up prints is a page', async () => {
    const docs = await fetch(`${platform.url}/docs`);
    assert.equal(docs.status, 200);
    assert.match(docs.headers.get('content-type') ?? '', /^text\/html/);
    const page = await fetch(`${platform.url}/`);
    assert.match(page.headers.get('content-type') ?? '', /^text\/html/);
    assert.equal(page.headers.get('x-content-type-options'), 'nosniff');
  });

  test('the status of the platform lists its services where they answer', async () => {
    interface Status {
      status: string;
      since: string;
      services: { name: string; state: string; address: string; direct: string }[];
    }
    const { status, since, services } = await user.get<Status>('/api/platform/status/');
    assert.equal(status, 'running');
    assert.ok(Date.parse(since) <= Date.now());
    assert.deepEqual(
      Object.fromEntries(services.map(({ name, direct }) => [name, direct])),
      Object.fromEntries(
        Object.entries(SERVICES).map(([place, { name }]) => [name, `127.0.0.1:${home.slot.port + Number(place)}`]),
      ),
    );
    for (const { name, address, state } of services) {
      assert.equal(state, 'running');
      const hello = await (await fetch(`http://${address}/home`)).text();
      const said = hello.toLowerCase().replaceAll(' ', '');
      assert.ok(said.endsWith(name.replaceAll('-', '')), `${name} says ${hello}`);
    }
  });

  test('the node manager says where the next app would go, and why', async () => {
    const chosen = await nodeManager().get<Record<string, unknown>>('/nodemgr/get-deploy-node');
    assert.deepEqual(Object.keys(chosen).sort(), ['node_ip', 'node_name', 'port', 'reason']);
    assert.deepEqual(
      [chosen.node_name, chosen.node_ip, typeof chosen.port],
      ['node1', machineOf(home, 'node1').vm_ip, 'number'],
    );
    assert.match(String(chosen.reason), /score/);
  });

  test('the node manager tells the health of every machine in the starting document’s words', async () => {
    const health = await nodeManager().get<Record<string, unknown>[]>('/nodemgr/get-all-nodes-health');
    assert.equal(health.length, 1);
    assert.deepEqual(Object.keys(health[0] ?? {}).sort(), [
      'CPU Usage',
      'Disk Usage',
      'Health',
      'Memory Usage',
      'name',
    ]);
    for (const key of ['CPU Usage', 'Memory Usage', 'Disk Usage']) {
      const value = health[0]?.[key];
      assert.ok(typeof value === 'number' && value >= 0 && value <= 100, `${key}: ${value}`);
    }
    assert.equal(health[0]?.Health, 'ready');
  });

  test('the node manager takes a sample by GET and by POST, and deletes old ones', async () => {
    for (const [method, path] of [
      ['GET', '/nodemgr/log'],
      ['POST', '/nodemgr/log'],
      ['DELETE', '/nodemgr/delete-old-logs'],
    ] as const) {
      const done = await nodeManager().request(method, path);
      assert.deepEqual([done.status, await done.text()], [200, 'Success']);
      await refused(await apiWith(at(3), user.token).request(method, path), 403, 'AVK_FORBIDDEN');
    }
    await refused(await nodeManager().request('GET', '/nodemgr/delete-old-logs'), 404);
  });

  test('the platform stops at once also when connections were opened in advance and never used', async () => {
    const other = newHome();
    const second = await startPlatform({ home: other });
    const port = Number(new URL(second.url).port);
    const sockets = Object.keys(SERVICES).map((place) => connect(port + Number(place), '127.0.0.1'));
    try {
      await Promise.all(sockets.map((socket) => once(socket, 'connect')));
      // The server has accepted them when it has accepted one that came later.
      await signIn(second.url);
      const closed = sockets.map((socket) => once(socket, 'close'));
      const begun = performance.now();
      assert.equal(await second.stop(), 0, second.output());
      await Promise.all(closed);
      assert.ok(performance.now() - begun < 10_000, second.output());
      assert.doesNotMatch(second.output(), /took longer/);
    } finally {
      for (const socket of sockets) socket.destroy();
      other.remove();
    }
  });

  test('what runs goes by the same names in every service', async () => {
    const name = await user.deploy('web');
    await user.reaches(name, 'running');
    const known = await apiWith(at(4), admin.token).get<{ name: string; endpoint: string }>(`/instances/${name}`);
    assert.equal(known.endpoint, (await user.instance(name)).endpoint);
    await refused(await apiWith(at(4), user.token).request('GET', `/instances/${name}`), 403, 'AVK_FORBIDDEN');
    await refused(await apiWith(at(8), user.token).request('POST', '/users', {}), 403, 'AVK_FORBIDDEN');
    await user.stop(name);
    await user.reaches(name, 'stopped');
    await eventually(
      async () => (await apiWith(at(4), admin.token).request('GET', `/instances/${name}`)).status === 404,
    );
  });
});
