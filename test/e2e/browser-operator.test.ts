import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Browser, Locator } from 'playwright-core';
import { type Api, apiWith, signIn } from '../support/api.ts';
import { webApp } from '../support/apps.ts';
import { NO_BROWSER, newStory, newVisitor, openBrowser, type Visitor } from '../support/browser.ts';
import { eventually } from '../support/eventually.ts';
import { PASSWORD, startPlatform, type TestPlatform } from '../support/platform.ts';

const DEADLINE_MS = 40_000;

describe('an operator in the browser', { skip: NO_BROWSER }, () => {
  let platform: TestPlatform;
  let browser: Browser;
  let api: Api;
  let admin: Visitor;
  let endpoint = '';
  const step = newStory(() => admin);

  before(async () => {
    [platform, browser] = await Promise.all([startPlatform({ flags: ['--nodes', '2'] }), openBrowser()]);
    api = await signIn(platform.url);
    await api.provide(webApp('web'));
    await api.deploy('web', { instanceName: 'web-1' });
    endpoint = (await api.reaches('web-1', 'running')).endpoint ?? '';
    admin = await newVisitor(browser, platform.url);
  });

  after(async () => {
    await browser.close();
    assert.equal(await platform.stop(), 0, platform.output());
    platform.home.remove();
  });

  const rowOf = (table: string, name: string | RegExp): Locator =>
    admin.page.getByRole('table', { name: table }).getByRole('row', { name });
  const agree = (yes: string): Promise<void> => admin.dialog().getByRole('button', { name: yes }).click();
  const status = (password: string, username = 'rita'): Promise<number> =>
    fetch(`${platform.url}/api/auth/login/`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ username, password }),
    }).then((response) => response.status);

  test(
    'stopping the platform is asked about, and says what stays',
    step(async () => {
      await admin.goto('/');
      await admin.signIn();
      await admin.button('Stop the platform').click();
      await admin.dialog().getByText('What stays:').waitFor();
      await admin.dialog().getByText('all apps that run, and their addresses').waitFor();
      await agree('Keep as it is');
      await admin.dialog().waitFor({ state: 'hidden' });
      assert.equal((await api.get<{ status: string }>('/api/platform/status/')).status, 'running');
    }),
  );

  test(
    'stopped, its services are shown as stopped, and the app still serves',
    step(async () => {
      admin.provokes(503, '/api/nodes/');
      await admin.button('Stop the platform').click();
      await agree('Stop the platform');
      await admin.button('Start the platform').waitFor();
      for (const service of ['Scheduler', 'Deployment manager', 'Load balancer', 'Node manager'])
        await rowOf('Services', service).getByText('Stopped').waitFor();
      await rowOf('Services', 'Application manager').getByText('Running').waitFor();
      assert.equal((await fetch(endpoint)).status, 200);
    }),
  );

  test(
    'stopped, a deployment is refused with the reason',
    step(async () => {
      admin.provokes(503, '/api/deployedApps/deployApp/');
      await admin.link('Catalogue').click();
      await admin.link('Deploy web 1.0.0').click();
      await admin.sees('Nothing can be deployed or scheduled until an administrator starts it again');
      await admin.button('Deploy').click();
      const refusal = admin.page.getByRole('alert').filter({ hasText: 'It was not deployed' });
      assert.match((await refusal.textContent()) ?? '', /stopped[\s\S]*AVK_PLATFORM_STOPPED/);
      // Of its own figures nothing is read while nothing is asked of the machines.
      admin.provokes(503, '/api/deployedApps/web-1/metrics');
      await admin.goto('/instances/web-1');
      const scale = admin.page.getByRole('button', { name: /^Scale.*the platform is stopped/ });
      assert.equal(await scale.getAttribute('aria-disabled'), 'true');
      // What only the stopped services know is missing, and that is no failure.
      await admin.sees('Its replicas, which serve as before: not known while the platform is stopped.');
      await admin.goto('/');
      await admin.sees('The machines: not known while the platform is stopped.');
      assert.deepEqual(await admin.page.getByRole('alert').allTextContents(), []);
    }),
  );

  test(
    'started again, everything runs',
    step(async () => {
      await admin.button('Start the platform').click();
      await admin.button('Stop the platform').waitFor();
      const services = admin.page.getByRole('table', { name: 'Services' }).locator('tbody').getByRole('row');
      await eventually(async () => (await services.filter({ hasText: 'Running' }).count()) === 9, {
        deadlineMs: DEADLINE_MS,
      });
    }),
  );

  test(
    'machines have their curves; one is drained and resumed while the app serves',
    step(async () => {
      await admin.link('Machines').click();
      const rows = admin.page.getByRole('table', { name: 'Machines' }).locator('tbody').getByRole('row');
      await rows.nth(1).waitFor();
      await eventually(async () => (await rows.locator('canvas').count()) === 6, { deadlineMs: DEADLINE_MS });
      await admin.page.getByRole('img', { name: /^node1 over time\. CPU: now \d+ %/ }).waitFor();
      const { node } = await api.instance('web-1');
      await rowOf('Machines', new RegExp(`${node}`))
        .getByRole('cell', { name: '1', exact: true })
        .waitFor();
      await admin.button(`Drain ${node}`).click();
      await admin.dialog().getByText('its replica moves to other machines').waitFor();
      await agree('Drain it');
      await rowOf('Machines', new RegExp(`${node}`))
        .getByText('Drained')
        .waitFor();
      const [replica] = (await api.instance('web-1')).replicas;
      assert.notEqual(replica?.node, node);
      assert.equal((await fetch(endpoint)).status, 200);
      await admin.button(`Resume ${node}`).click();
      await rowOf('Machines', new RegExp(`${node}`))
        .getByText('Ready')
        .waitFor();
    }),
  );

  test(
    'a user is added, gets another role and another password, and is deleted',
    step(async () => {
      await admin.link('Administration').click();
      await admin.button('Add a user').click();
      await admin.dialog().getByLabel('Username').fill('rita');
      await admin
        .dialog()
        .getByLabel(/^Password/)
        .fill('rita’s first one');
      await agree('Add');
      const role = admin.page.getByLabel('Role of rita');
      assert.equal(await role.inputValue(), 'user');
      assert.equal(await status('rita’s first one'), 200);
      await role.selectOption('developer');
      await admin.sees('rita is now developer.');
      await admin.button('Reset password of rita').click();
      await admin.dialog().getByLabel('New password').fill('rita’s second one');
      await agree('Set the password');
      await admin.sees('rita has a new password.');
      assert.deepEqual([await status('rita’s first one'), await status('rita’s second one')], [401, 200]);
      await admin.button('Delete rita').click();
      await agree('Delete the user');
      await role.waitFor({ state: 'detached' });
      assert.equal(await status('rita’s second one'), 401);
    }),
  );

  test(
    'a token is limited to what is ticked, shown once, and revoked',
    step(async () => {
      await admin.page.getByRole('tab', { name: 'Tokens' }).click();
      await admin.button('Create a token').click();
      await admin.dialog().getByLabel('Name').fill('dashboards');
      await admin.dialog().getByText('Only some things').click();
      await admin.dialog().getByRole('checkbox', { name: 'read' }).check();
      await agree('Create');
      const token = (await admin.page.locator('[data-token]').textContent()) ?? '';
      const program = apiWith(platform.url, token);
      assert.equal((await program.request('GET', '/api/nodes/')).status, 200);
      const deploying = await program.request('POST', '/api/deployedApps/deployApp/', { appName: 'web' });
      assert.equal(deploying.status, 403);
      await agree('I have kept it');
      await rowOf('Tokens', /^dashboards/)
        .getByText('read')
        .waitFor();
      assert.equal(await admin.page.getByText(token).count(), 0, 'the token is shown again');
      await admin.button('Revoke dashboards').click();
      await agree('Revoke the token');
      await admin.button('Revoke dashboards').waitFor({ state: 'detached' });
      // Services remember for some seconds whom they have let in.
      await eventually(async () => (await program.request('GET', '/api/nodes/')).status === 401, {
        deadlineMs: DEADLINE_MS,
      });
    }),
  );

  test(
    'the audit log has all of that',
    step(async () => {
      await admin.page.getByRole('tab', { name: 'Audit log' }).click();
      const log = admin.page.getByRole('table', { name: 'Audit log' });
      for (const path of [
        '/api/platform/stop/',
        '/api/platform/start/',
        '/drain/',
        '/resume/',
        'POST /api/users/',
        'PATCH /api/users/',
        'DELETE /api/users/',
        'POST /api/tokens/',
        'DELETE /api/tokens/',
      ])
        await log.getByText(path).first().waitFor();
      const refused = log.getByRole('row').filter({ hasText: 'deployApp' }).filter({ hasText: 'Refused, 503' });
      assert.match((await refused.first().textContent()) ?? '', /admin/);
    }),
  );

  test(
    'one’s own password is changed, and counts at the next sign-in',
    step(async () => {
      admin.provokes(422, '/api/users/me/password/');
      await admin.button('Account of admin').click();
      await admin.page.getByRole('menuitem', { name: 'Account and password' }).click();
      const fill = async (present: string): Promise<void> => {
        await admin.page.getByLabel('Present password').fill(present);
        await admin.page.getByLabel(/^New password/).fill('another long one');
        await admin.page.getByLabel('The new password again').fill('another long one');
        await admin.button('Change the password').click();
      };
      await fill('not this one');
      await admin.sees('The password was not changed');
      await fill(PASSWORD);
      await admin.sees('Your password is changed.');
      await admin.button('Account of admin').click();
      await admin.page.getByRole('menuitem', { name: 'Sign out' }).click();
      await admin.heading('Sign in').waitFor();
      admin.provokes(401, '/api/auth/login/');
      await admin.page.getByLabel('Username').fill('admin');
      await admin.page.getByLabel('Password', { exact: true }).fill(PASSWORD);
      await admin.button('Sign in').click();
      await admin.sees('Username or password is wrong.');
      await admin.signIn('admin', 'another long one');
      await admin.heading('Account').waitFor();
    }),
  );
});
