import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { signIn } from '../support/api.ts';
import { appOf, webApp } from '../support/apps.ts';
import { eventually } from '../support/eventually.ts';
import { type Home, newHome, ROOT, startPlatform } from '../support/platform.ts';
import { appProcesses, processesBelow } from '../support/processes.ts';

const KILLABLE = join(ROOT, 'test/support/killable.ts');

/** Where a deployment can be when it is cancelled, by what was journaled last; and the app that makes the step last. */
const MOMENTS: [string, string][] = [
  ['launch.populate.entered.after', 'web'],
  ['launch.populate.finished.after', 'web'],
  ['launch.end.ended.after', 'web'],
  ['deploy.place.entered.after', 'web'],
  ['deploy.place.finished.after', 'web'],
  ['deploy.build.entered.after', 'slow-install'],
  ['deploy.build.finished.after', 'web'],
  ['deploy.start.entered.after', 'silent'],
  ['deploy.start.finished.after', 'web'],
  ['deploy.register.entered.after', 'web'],
  ['deploy.register.finished.after', 'web'],
];

describe('cancel', () => {
  let home: Home;

  before(async () => {
    home = newHome();
    const platform = await startPlatform({ home, entry: KILLABLE });
    const api = await signIn(platform.url);
    await api.provide(webApp('web'));
    await api.provide(appOf('silent', 'setInterval(() => {}, 1000);', { health: { path: '/', startSeconds: 60 } }));
    const scripts = { preinstall: 'node -e "setInterval(() => {}, 1000)"' };
    await api.provide({ ...appOf('slow-install', ''), 'package.json': JSON.stringify({ scripts }) });
    await platform.stop();
  });

  after(() => {
    assert.deepEqual(processesBelow(home.directory), []);
    home.remove();
  });

  for (const [moment, app] of MOMENTS) {
    test(`cancel at ${moment}`, async () => {
      const name = moment.replaceAll('.', '-');
      const platform = await startPlatform({ home, entry: KILLABLE, env: { CANCEL_AT: moment, CANCEL: name } });
      try {
        const api = await signIn(platform.url);
        await api.deploy(app, { instanceName: name });
        const answer = await eventually(() => /cancel answered (\d+)/.exec(platform.output())?.[1]);
        // Steps that take no time may be over before the request is read; then there is nothing to cancel any more.
        const instance = await api.reaches(name, answer === '202' ? 'cancelled' : 'running');
        if (answer !== '202') assert.ok(app === 'web' && answer === '409', `cancel answered ${answer}`);
        if (answer === '202') {
          assert.deepEqual([instance.endpoint, instance.replicas], [null, []]);
          await eventually(() => appProcesses(home.directory).length === 0);
          // The name is free again.
          await api.deploy('web', { instanceName: name });
          await api.reaches(name, 'running');
        }
        await api.stop(name);
        await api.reaches(name, 'stopped');
      } finally {
        await platform.stop();
      }
    });
  }

  test('cancel of what is not being deployed is refused or harmless', async () => {
    const platform = await startPlatform({ home, entry: KILLABLE });
    try {
      const api = await signIn(platform.url);
      const name = await api.deploy('web');
      await api.reaches(name, 'running');
      const cancel = () => api.request('POST', '/api/deployedApps/cancel/', { instanceName: name });
      assert.equal((await cancel()).status, 409);
      await api.stop(name);
      await api.reaches(name, 'stopped');
      assert.equal((await cancel()).status, 202);
      assert.equal((await api.request('POST', '/api/deployedApps/cancel/', { instanceName: 'nobody' })).status, 404);
    } finally {
      await platform.stop();
    }
  });
});
