import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type Api, apiWith, signIn } from '../support/api.ts';
import { webApp } from '../support/apps.ts';
import { eventually } from '../support/eventually.ts';
import { type Home, newHome, ROOT, startPlatform, type TestPlatform } from '../support/platform.ts';
import { newUser, refused } from './http.support.ts';

interface Status {
  status: string;
  since: string;
  reason?: string;
  services: { name: string; state: string; direct: string; health: string; restarts: number; reason?: string }[];
}

const STAY = ['application-manager', 'platform-initializer', 'authenticator'];
const CRASHES = 'sensor-manager';

describe('the platform is stopped and started while it runs', () => {
  let home: Home;
  let platform: TestPlatform;
  let admin: Api;
  let user: Api;
  let initializer: Api;
  let endpoint: string;

  before(async () => {
    home = newHome();
    platform = await startPlatform({
      home,
      entry: join(ROOT, 'test/support/killable.ts'),
      env: { CRASH: CRASHES },
    });
    admin = await signIn(platform.url);
    user = await newUser(platform.url, admin, 'Alice', 'user');
    initializer = apiWith(`http://127.0.0.1:${home.slot.port + 1}`, admin.token);
    await admin.provide(webApp('web'));
    await admin.deploy('web', { instanceName: 'web-1' });
    endpoint = (await admin.reaches('web-1', 'running')).endpoint ?? '';
  });

  after(async () => {
    assert.equal(await platform.stop(), 0, platform.output());
    home.remove();
  });

  const status = (): Promise<Status> => user.get<Status>('/api/platform/status/');
  const becomes = (wanted: string): Promise<Status> =>
    eventually(async () => {
      const now = await status();
      return now.status === wanted ? now : null;
    });
  const states = ({ services }: Status): Record<string, string> =>
    Object.fromEntries(services.map(({ name, state }) => [name, state]));

  test('stopping leaves what is needed to start again, and every app with its route', async () => {
    const asking = keepAsking(endpoint);
    const accepted = await admin.request('POST', '/api/platform/stop/');
    assert.equal(accepted.status, 202);
    assert.equal(typeof ((await accepted.json()) as { requestId: string }).requestId, 'string');
    await refused(await deploy(), 503, 'AVK_PLATFORM_STOPPED');
    const stopped = await becomes('stopped');
    for (const { name, state } of stopped.services) {
      assert.equal(state, STAY.includes(name) ? 'running' : 'stopped', name);
    }
    for (const { name, direct } of stopped.services) {
      const answer = fetch(`http://${direct}/health`).then((response) => response.status);
      if (STAY.includes(name)) assert.equal(await answer, 200, name);
      else await assert.rejects(answer, `${name} still answers`);
    }
    const registered = await initializer.get<{ service_name: string }[]>('/all_services');
    assert.deepEqual(
      registered.map(({ service_name }) => service_name).sort(),
      STAY.map((name) => name.replaceAll('-', '_')).sort(),
    );
    assert.ok((await fetch(endpoint)).ok);
    assert.deepEqual(await asking.stop(), []);
  });

  test('while it is stopped, deployments and scaling are refused, reading and signing in are not', async () => {
    const refusal = await refused(await deploy(), 503, 'AVK_PLATFORM_STOPPED');
    assert.match(refusal.detail, /the platform is stopped; .*administrator starts it/);
    const scale = { instanceName: 'web-1', replicas: 2 };
    await refused(await admin.request('POST', '/api/deployedApps/scale/', scale), 503, 'AVK_PLATFORM_STOPPED');
    await signIn(platform.url);
    assert.equal((await admin.instance('web-1')).state, 'running');
    await admin.provide(webApp('uploaded-meanwhile'));
  });

  test('stopping what is stopped is harmless; who may not is told so', async () => {
    assert.equal(await (await initializer.request('GET', '/stop')).text(), 'Success');
    assert.equal((await status()).status, 'stopped');
    await refused(await user.request('POST', '/api/platform/start/'), 403, 'AVK_FORBIDDEN');
    await refused(await apiWith(initializerUrl(), user.token).request('GET', '/start'), 403, 'AVK_FORBIDDEN');
  });

  test('starting brings every service back, and no request to an app failed meanwhile', async () => {
    const asking = keepAsking(endpoint);
    await admin.request('POST', '/api/platform/start/');
    const running = await becomes('running');
    assert.ok(Object.values(states(running)).every((state) => state === 'running'));
    await eventually(async () => (await status()).services.every(({ health }) => health === 'ok'));
    await admin.deploy('web', { instanceName: 'web-2' });
    await admin.reaches('web-2', 'running');
    await admin.post('/api/deployedApps/scale/', { instanceName: 'web-1', replicas: 2 });
    await eventually(async () => (await admin.instance('web-1')).replicas.length === 2);
    assert.deepEqual(await asking.stop(), []);
  });

  test('starts and stops asked for at once end in what was asked last', async () => {
    const asked = ['stop', 'start', 'stop', 'start'].map((verb) =>
      admin.request('POST', `/api/platform/${verb}/`).then(({ status: code }) => code),
    );
    assert.deepEqual(await Promise.all(asked), [202, 202, 202, 202]);
    await initializer.request('POST', '/stop');
    assert.equal(await (await initializer.request('POST', '/start')).text(), 'Success');
    await becomes('running');
  });

  test('a service that dies is started again, with its reason on record', async () => {
    process.kill(platform.pid, 'SIGUSR2');
    const again = await eventually(async () => {
      const found = (await status()).services.find(({ name }) => name === CRASHES);
      return found && found.restarts > 0 && found.state === 'running' ? found : null;
    });
    assert.equal(await (await fetch(`http://${again.direct}/home`)).text(), 'Hi, this is SensorManager');
    const { logs } = await initializer.get<{ logs: string }>('/get_logs');
    assert.match(logs, /a service ended and is started again/);
    assert.match(logs, /a service runs again/);
    await becomes('running');
  });

  test('the fault monitor keeps the history of every service’s health', async () => {
    const { checks } = await user.get<{ checks: { service: string; healthy: boolean; latencyMs: number }[] }>(
      '/api/platform/health/?service=load-balancer&limit=5',
    );
    assert.ok(checks.length > 0 && checks.length <= 5);
    assert.ok(checks.every(({ service, latencyMs }) => service === 'load-balancer' && latencyMs >= 0));
    await refused(await user.request('GET', '/api/platform/health/?service=nobody'), 400, 'AVK_BAD_REQUEST');
  });

  test('the next up starts a platform that was stopped', async () => {
    await admin.request('POST', '/api/platform/stop/');
    await becomes('stopped');
    assert.equal(await platform.stop(), 0, platform.output());
    platform = await startPlatform({ home, entry: join(ROOT, 'test/support/killable.ts') });
    admin = await signIn(platform.url);
    user = admin;
    await becomes('running');
    await admin.reaches('web-1', 'running');
    await eventually(async () => (await fetch((await admin.instance('web-1')).endpoint ?? '')).ok);
  });

  const deploy = (): Promise<Response> =>
    user.request('POST', '/api/deployedApps/deployApp/', { appName: 'web', instanceName: 'not-now' });
  const initializerUrl = (): string => `http://127.0.0.1:${home.slot.port + 1}`;
});

/** A client that never stops asking; what went wrong, in the end. */
function keepAsking(url: string): { stop(): Promise<string[]> } {
  const problems: string[] = [];
  let asking = true;
  const done = (async () => {
    while (asking) {
      try {
        const response = await fetch(url, { signal: AbortSignal.timeout(5000) });
        await response.text();
        if (!response.ok) problems.push(`answered ${response.status}`);
      } catch (error) {
        problems.push(String(error));
      }
    }
  })();
  return {
    async stop() {
      asking = false;
      await done;
      return problems;
    },
  };
}
