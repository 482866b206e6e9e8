import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Browser } from 'playwright-core';
import { type Api, signIn } from '../support/api.ts';
import { appOf, webApp } from '../support/apps.ts';
import { NO_BROWSER, newStory, newVisitor, openBrowser, type Visitor } from '../support/browser.ts';
import { startPlatform, type TestPlatform } from '../support/platform.ts';
import { zipOf } from '../support/zip.ts';
import { newUser } from './http.support.ts';

describe('what goes wrong is explained in the browser', { skip: NO_BROWSER }, () => {
  let platform: TestPlatform;
  let browser: Browser;
  let api: Api;
  let dora: Visitor;
  let ulla: Visitor;
  const asDeveloper = newStory(() => dora);
  const asUser = newStory(() => ulla);

  before(async () => {
    [platform, browser] = await Promise.all([startPlatform(), openBrowser()]);
    const admin = await signIn(platform.url);
    await newUser(platform.url, admin, 'ulla', 'user');
    api = await newUser(platform.url, admin, 'dora', 'developer');
    await admin.provide(webApp('web'));
    await api.provide(appOf('leaky', "console.log('opening the valve'); process.exit(7);"));
    await api.provide({
      ...appOf('unbuildable', ''),
      'package.json': JSON.stringify({ name: 'unbuildable', dependencies: { pump: 'file:./nowhere.tgz' } }),
    });
    dora = await newVisitor(browser, platform.url);
    ulla = await newVisitor(browser, platform.url);
  });

  after(async () => {
    await browser.close();
    assert.equal(await platform.stop(), 0, platform.output());
    platform.home.remove();
  });

  test(
    'an app that exits with code 7 is shown with that reason and with the last it printed',
    asDeveloper(async () => {
      await dora.goto('/deploy/leaky/1.0.0');
      await dora.signIn('dora', 'dora has a long password');
      await dora.button('Deploy').click();
      await dora.page.waitForURL('**/instances/leaky-1');
      const trouble = dora.page.getByRole('alert').filter({ hasText: 'It failed' });
      await trouble.getByText(/exited with code 7/).waitFor();
      await trouble.getByText('opening the valve').waitFor();
      await dora.link('Deploy it again').waitFor();
      await dora.link('Overview').first().click();
      const attention = dora.page.getByRole('region', { name: 'Needs attention' });
      await attention.getByRole('link', { name: 'leaky-1' }).waitFor();
      await attention.getByText(/exited with code 7/).waitFor();
    }),
  );

  test(
    'an app that cannot be built is shown with npm’s own words',
    asDeveloper(async () => {
      const name = await api.deploy('unbuildable');
      await dora.goto(`/instances/${name}`);
      const trouble = dora.page.getByRole('alert').filter({ hasText: 'It failed' });
      await trouble.getByText(/npm install failed with exit code \d+/).waitFor();
      await trouble.getByText(/npm error.*nowhere\.tgz/).waitFor();
      await dora.page
        .getByRole('log')
        .getByText(/npm error/)
        .first()
        .waitFor();
    }),
  );

  test(
    'a refused upload lists each field that is wrong, and is not in the catalogue',
    asDeveloper(async () => {
      dora.provokes(422, '/api/baseApp/upload/');
      await dora.link('Catalogue').click();
      const files = appOf('bad name', '', { resources: { memoryMb: -1 }, scale: { min: 5, max: 1 } });
      const buffer = await zipOf(files);
      await dora.page
        .getByLabel('Zip of an app')
        .setInputFiles({ name: 'bad.zip', mimeType: 'application/zip', buffer });
      const refusal = dora.page.getByRole('alert').filter({ hasText: 'bad.zip was refused' });
      await refusal.getByRole('listitem').nth(2).waitFor();
      const lines = (await refusal.getByRole('listitem').allInnerTexts()).join('\n');
      for (const field of [
        /^name .*received "bad name"/m,
        /^resources\.memoryMb .*received -1/m,
        /^scale\.min .*received 5/m,
      ])
        assert.match(lines, field);
      await dora.page.getByLabel('Zip of an app').setInputFiles({
        name: 'notes.txt',
        mimeType: 'text/plain',
        buffer: Buffer.from('no zip'),
      });
      await dora.sees('notes.txt was refused');
      assert.equal(await dora.page.getByRole('article', { name: 'bad name' }).count(), 0);
    }),
  );

  test(
    'a developer may upload, and delete own versions only',
    asDeveloper(async () => {
      await dora.button('Delete leaky 1.0.0').waitFor();
      assert.equal(await dora.button('Delete web 1.0.0').count(), 0);
      assert.equal(await dora.link('Administration').count(), 0);
      await dora.goto('/');
      await dora.heading('The platform').waitFor();
      assert.equal(await dora.page.getByRole('button', { name: /(Stop|Start) the platform/ }).count(), 0);
    }),
  );

  test(
    'a user is offered what a user may do, and no more',
    asUser(async () => {
      await ulla.goto('/');
      await ulla.signIn('ulla', 'ulla has a long password');
      await ulla.heading('The platform').waitFor();
      assert.equal(await ulla.page.getByRole('button', { name: /(Stop|Start) the platform/ }).count(), 0);
      assert.equal(await ulla.link('Administration').count(), 0);
      await ulla.link('Machines').click();
      await ulla.page.getByRole('table', { name: 'Machines' }).locator('tbody').getByRole('row').first().waitFor();
      assert.equal(await ulla.page.getByRole('button', { name: /Drain|Resume/ }).count(), 0);
      await ulla.link('Catalogue').click();
      await ulla.link('Deploy web 1.0.0').waitFor();
      assert.equal(await ulla.page.getByLabel('Zip of an app').count(), 0);
      assert.equal(await ulla.page.getByRole('button', { name: /^Delete/ }).count(), 0);
    }),
  );

  test(
    'what is not for a user, or another’s, is said at its address',
    asUser(async () => {
      ulla.provokes(404, '/api/deployedApps/leaky-1');
      await ulla.goto('/administration/users');
      await ulla.sees('This is for administrators');
      await ulla.goto('/instances/leaky-1');
      await ulla.heading('There is no instance leaky-1').waitFor();
      await ulla.goto('/nowhere');
      await ulla.link('To the overview').waitFor();
    }),
  );
});
