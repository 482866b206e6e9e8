import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type Api, signIn } from '../support/api.ts';
import { appOf, webApp } from '../support/apps.ts';
import { eventually } from '../support/eventually.ts';
import { buildProcesses, containersOf, occupyPort, outputBytes } from '../support/machine.ts';
import { embeddedOnly, type Home, newHome, startPlatform, type TestPlatform } from '../support/platform.ts';
import { appProcesses, processesBelow } from '../support/processes.ts';

/** What is downloaded: the VMs of a fleet have no way to a registry. */
const download = embeddedOnly('there is no way to a registry');
const quick = { health: { path: '/up', startSeconds: 2 } };

describe('apps that misbehave', () => {
  let home: Home;
  let platform: TestPlatform;
  let api: Api;

  before(async () => {
    home = newHome();
    platform = await startPlatform({ home, flags: ['--build-seconds', '5'] });
    api = await signIn(platform.url);
  });

  after(async () => {
    assert.equal(await platform.stop(), 0, platform.output());
    assert.deepEqual(processesBelow(home.directory), []);
    home.remove();
  });

  /** Deploys the app, expects it to fail, and nothing of it to be left. */
  async function fails(name: string, main: string, more: Record<string, unknown>, extra: Record<string, string> = {}) {
    await api.provide({ ...appOf(name, main, more), ...extra });
    const instance = await api.reaches(await api.deploy(name), 'failed');
    assert.equal(instance.endpoint, null);
    assert.deepEqual(instance.replicas, []);
    await eventually(() => appProcesses(home.directory).every((process) => process.instance !== instance.instanceName));
    await eventually(() => containersOf(home, instance.instanceName).length === 0);
    return { reason: instance.reason ?? '', lines: instance.lastLogLines ?? [] };
  }

  test('an app that exits at once fails with its exit code and last lines', async () => {
    const { reason, lines } = await fails('exits', 'console.log("no database"); process.exit(3);', quick);
    assert.match(reason, /^starting on node\d: the app exited with code 3/);
    assert.deepEqual(lines, ['no database']);
  });

  test('an app that never listens fails at its deadline', async () => {
    const { reason, lines } = await fails('deaf', 'console.log("thinking"); setInterval(() => {}, 1000);', quick);
    assert.match(reason, /within 2 s.*nothing listens on port/i);
    assert.deepEqual(lines, ['thinking']);
  });

  test('an app that listens on another port than PORT fails with the port that was expected', async () => {
    const main = 'require("node:http").createServer((q, s) => s.end()).listen(0);';
    const { reason } = await fails('elsewhere', main, quick);
    assert.match(reason, /nothing listens on port \d+/i);
  });

  test('an app that fails its health check fails with the status and the path', async () => {
    const main = `require('node:http').createServer((q, s) => { s.statusCode = 301; s.end(); }).listen(process.env.PORT);`;
    const { reason } = await fails('ill', main, quick);
    assert.match(reason, /got 301 at \/up/);
  });

  test('an app that prints 100 MB is served, and its log stays small', async () => {
    const main = `
const line = 'x'.repeat(1023) + '\\n';
let left = 100 * 1024;
(function print() { while (left > 0) { left -= 1; if (!process.stdout.write(line)) return process.stdout.once('drain', print); } console.log('printed all'); })();
require('node:http').createServer((q, s) => s.end('ok')).listen(process.env.PORT);`;
    await api.provide(appOf('loud', main));
    const name = await api.deploy('loud');
    await api.reaches(name, 'running');
    const lines = await eventually(
      async () => {
        const log = await api.get<{ lines: { line: string }[] }>(`/api/deployedApps/${name}/logs?tail=3`);
        return log.lines.some(({ line }) => line === 'printed all') ? log.lines : null;
      },
      { deadlineMs: 30_000 },
    );
    assert.equal(lines.length, 3);
    await eventually(() => outputBytes(home) < 30 * 1024 * 1024);
    await api.stop(name);
    await api.reaches(name, 'stopped');
  });

  test('an app that ignores SIGTERM is killed after its grace', async () => {
    const main = `process.on('SIGTERM', () => console.log('no'));
require('node:http').createServer((q, s) => s.end('ok')).listen(process.env.PORT);`;
    await api.provide(appOf('stubborn', main, { stopSeconds: 1 }));
    const name = await api.deploy('stubborn');
    await api.reaches(name, 'running');
    await api.stop(name);
    await api.reaches(name, 'stopped');
    assert.deepEqual(appProcesses(home.directory), []);
  });

  test('an app that forks children, also in sessions of their own, leaves none behind', async () => {
    const main = `const { spawn } = require('node:child_process');
const idle = ['-e', 'process.on("SIGTERM", () => {}); setInterval(() => {}, 1000)'];
spawn(process.execPath, idle, { stdio: 'ignore' });
spawn(process.execPath, idle, { stdio: 'ignore', detached: true }).unref();
require('node:http').createServer((q, s) => s.end('ok')).listen(process.env.PORT);`;
    await api.provide(appOf('parent', main, { stopSeconds: 1 }));
    const name = await api.deploy('parent');
    await api.reaches(name, 'running');
    await eventually(() => appProcesses(home.directory).length === 3);
    await api.stop(name);
    await api.reaches(name, 'stopped');
    assert.deepEqual(appProcesses(home.directory), []);
  });

  test('an app that dies while it serves is started again at the same address', async () => {
    const main = `const self = Math.random();
require('node:http').createServer((q, s) => { if (q.url === '/die') process.exit(9); s.end('ok ' + self); }).listen(process.env.PORT);`;
    await api.provide(appOf('mortal', main));
    const name = await api.deploy('mortal');
    const { endpoint } = await api.reaches(name, 'running');
    const before = await (await fetch(`${endpoint}/`)).text();
    await fetch(`${endpoint}/die`).catch(() => null);
    await eventually(async () => {
      const text = await (await fetch(`${endpoint}/`)).text();
      return text.startsWith('ok ') && text !== before;
    });
    const again = await eventually(async () => {
      const instance = await api.instance(name);
      return instance.replicas[0]?.state === 'healthy' && instance.replicas[0].restarts === 1 ? instance : null;
    });
    assert.equal(again.endpoint, endpoint);
    await api.stop(name);
    await api.reaches(name, 'stopped');
  });

  test('an app that keeps dying is crash-looping, and its instance degraded with the reason', async () => {
    const main = `require('node:http').createServer((q, s) => s.end('ok')).listen(process.env.PORT, () => setTimeout(() => process.exit(4), 300));`;
    await api.provide(appOf('unstable', main));
    const name = await api.deploy('unstable');
    const instance = await eventually(
      async () => {
        const found = await api.instance(name);
        return found.state === 'degraded' && found.replicas[0]?.state === 'crash-looping' ? found : null;
      },
      { deadlineMs: 30_000 },
    );
    assert.match(instance.reason ?? '', /0 of 1 replicas are healthy.*exited with code 4/);
    const page = await fetch(instance.endpoint ?? '');
    if (page.status === 503) assert.match(await page.text(), /unstable-1.*crash-looping/s);
    await api.stop(name);
    await api.reaches(name, 'stopped');
  });

  test('a zip with an npm dependency works', download, async () => {
    const main = `const odd = require('is-odd');
require('node:http').createServer((q, s) => s.end(String(odd(3)))).listen(process.env.PORT);`;
    const dependencies = JSON.stringify({ name: 'needy', version: '1.0.0', dependencies: { 'is-odd': '3.0.1' } });
    const patient = newHome();
    const other = await startPlatform({ home: patient });
    try {
      const its = await signIn(other.url);
      await its.provide({ ...appOf('needy', main), 'package.json': dependencies });
      const name = await its.deploy('needy');
      const { endpoint } = await its.reaches(name, 'running', 120_000);
      assert.equal(await (await fetch(endpoint ?? '')).text(), 'true');
      const log = await its.get<{ lines: { line: string }[] }>(`/api/deployedApps/${name}/logs?build=true`);
      assert.ok(log.lines.length > 0, 'the build was logged');
    } finally {
      await other.stop();
      patient.remove();
    }
  });

  test('dependencies that cannot be installed fail the build with npm’s own words', download, async () => {
    const dependencies = JSON.stringify({ dependencies: { 'is-odd': '999.0.0' } });
    const { reason, lines } = await fails('unmet', '', {}, { 'package.json': dependencies });
    assert.match(reason, /npm|install/i);
    assert.match(lines.join('\n'), /is-odd/);
  });

  test('an install that hangs is ended at its deadline with all it started', async () => {
    const scripts = { preinstall: 'node -e "setInterval(() => {}, 1000)"' };
    const { reason } = await fails('hanging', '', {}, { 'package.json': JSON.stringify({ scripts }) });
    assert.match(reason, /longer than 5 s/);
    await eventually(() => buildProcesses(home, platform.pid).length === 0);
  });

  test('a replica whose port another program took is started at another one', async () => {
    await api.provide(webApp('mover'));
    const name = await api.deploy('mover');
    await api.reaches(name, 'running');
    const middle = Number(home.slot.replicaPorts.split('-')[0]) + 300;
    const other = await occupyPort(middle);
    try {
      await api.post('/api/deployedApps/scale/', { instanceName: name, replicas: 2 });
      const second = await eventually(async () =>
        (await api.instance(name)).replicas.find(({ state }, n) => n === 1 && state === 'healthy'),
      );
      assert.notEqual(second.hostPort, middle);
    } finally {
      await other.close();
      await api.stop(name);
      await api.reaches(name, 'stopped');
    }
  });

  test('a deployment goes past neighbouring ports that other programs hold', async () => {
    await api.provide(webApp('settler'));
    const first = await api.reaches(await api.deploy('settler'), 'running');
    const taken = first.replicas[0]?.hostPort ?? 0;
    const others = await Promise.all([1, 2, 3, 4, 5].map((step) => occupyPort(taken + step)));
    try {
      const second = await api.reaches(await api.deploy('settler'), 'running');
      assert.equal(second.replicas[0]?.hostPort, taken + 6);
      for (const { instanceName } of [first, second]) {
        await api.stop(instanceName);
        await api.reaches(instanceName, 'stopped');
      }
    } finally {
      for (const other of others) await other.close();
    }
  });

  test(
    'a public port that another program holds is passed over',
    embeddedOnly('NGINX has the next ports itself'),
    async () => {
      await api.provide(webApp('neighbour'));
      const first = await api.reaches(await api.deploy('neighbour'), 'running');
      const next = Number(new URL(first.endpoint ?? '').port) + 1;
      const other = await occupyPort(next);
      try {
        const second = await api.reaches(await api.deploy('neighbour'), 'running');
        assert.notEqual(Number(new URL(second.endpoint ?? '').port), next);
        assert.equal((await fetch(second.endpoint ?? '')).status, 200);
        for (const { instanceName } of [first, second]) {
          await api.stop(instanceName);
          await api.reaches(instanceName, 'stopped');
        }
      } finally {
        await other.close();
      }
    },
  );
});
