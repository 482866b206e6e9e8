import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { Browser } from 'playwright-core';
import { inspect, NO_BROWSER, newStory, newVisitor, openBrowser, type Visitor } from '../support/browser.ts';
import { type Home, newHome, startPlatform, type TestPlatform } from '../support/platform.ts';
import { vmNamed } from './controller.ts';
import { bringUpFleet, type Fleet, fleetOrSkip } from './fleet.ts';

const { skip } = fleetOrSkip();

describe('an operator takes machines in and lets go of them in the browser', { skip: skip || NO_BROWSER }, () => {
  let fleet: Fleet;
  let home: Home;
  let platform: TestPlatform;
  let browser: Browser;
  let admin: Visitor;
  const step = newStory(() => admin);

  before(async () => {
    [fleet, browser] = await Promise.all([bringUpFleet(2), openBrowser()]);
    home = newHome();
    const config = join(home.directory, 'avishkar.yml');
    writeFileSync(config, JSON.stringify({ vms: fleet.vmDetails.slice(0, 1), loadBalancer: { vm: 'VM1' } }));
    platform = await startPlatform({ home, flags: ['--config', config] });
    admin = await newVisitor(browser, platform.url);
  });
  after(async () => {
    await browser?.close();
    await platform?.stop();
    await fleet?.down();
    home?.remove();
  });

  test(
    'what a machine lacks is said in the form, one by one',
    step(async () => {
      await admin.goto('/');
      await admin.signIn();
      await admin.link('Machines').click();
      await admin.button('Add a machine').click();
      const vm = vmNamed(fleet, 'VM2');
      await vm.exec(['gpasswd', '--delete', vm.user, 'docker']);
      await admin.dialog().getByLabel('Name').fill('VM2');
      await admin.dialog().getByLabel('Address').fill(vm.address);
      await admin.dialog().getByLabel('User').fill(vm.user);
      await admin.dialog().getByLabel('Private key').fill(vm.keyPath);
      admin.provokes(422, '/api/nodes/');
      await admin.dialog().getByRole('button', { name: 'Check and add' }).click();
      await admin
        .dialog()
        .getByRole('alert')
        .getByText(/VM2 cannot be taken in yet/)
        .waitFor();
      await admin
        .dialog()
        .getByRole('alert')
        .getByText(/sudo usermod --append --groups docker/)
        .waitFor();
      await inspect(admin, 'the form for a machine');
    }),
  );

  test(
    'mended, it is taken in; drained, it can be removed; the balancer cannot',
    step(async () => {
      const vm = vmNamed(fleet, 'VM2');
      await vm.exec(['usermod', '--append', '--groups', 'docker', vm.user]);
      await admin.dialog().getByRole('button', { name: 'Check and add' }).click();
      await admin.dialog().waitFor({ state: 'hidden' });
      const row = admin.page.getByRole('table', { name: 'Machines' }).getByRole('row', { name: /VM2/ });
      await row.getByText('Ready').waitFor();
      await admin.button('Drain VM2').click();
      await admin.dialog().getByRole('button', { name: 'Drain it' }).click();
      await row.getByText('Drained').waitFor();
      await admin.button('Drain VM1').waitFor();
      assert.equal(await admin.button('Remove VM1').count(), 0);
      await admin.button('Remove VM2').click();
      await admin.dialog().getByText('What is installed on it stays.').waitFor();
      await admin.dialog().getByRole('button', { name: 'Remove it' }).click();
      await row.waitFor({ state: 'hidden' });
    }),
  );
});
