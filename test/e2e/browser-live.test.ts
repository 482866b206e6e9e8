import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Browser } from 'playwright-core';
import { type Api, signIn } from '../support/api.ts';
import { NO_BROWSER, newStory, newVisitor, openBrowser, type Visitor } from '../support/browser.ts';
import { type Home, newHome, startPlatform, type TestPlatform } from '../support/platform.ts';
import { askableApp } from './http.support.ts';

describe('pages in the browser are live', { skip: NO_BROWSER }, () => {
  let home: Home;
  let platform: TestPlatform;
  let browser: Browser;
  let api: Api;
  let admin: Visitor;
  const step = newStory(() => admin);

  before(async () => {
    home = newHome();
    [platform, browser] = await Promise.all([startPlatform({ home }), openBrowser()]);
    api = await signIn(platform.url);
    await api.provide(askableApp('talker'));
    admin = await newVisitor(browser, platform.url);
  });

  after(async () => {
    await browser.close();
    assert.equal(await platform.stop(), 0, platform.output());
    home.remove();
  });

  /** Nothing below may come from reading the page anew. */
  const mark = (): Promise<unknown> => admin.page.evaluate('window.neverReloaded = true');
  const assertNotReloaded = async (): Promise<void> =>
    assert.equal(await admin.page.evaluate('window.neverReloaded'), true, 'the page was read anew');
  const row = (name: string) => admin.page.getByRole('row', { name: new RegExp(`^${name}`) });

  test(
    'what somebody else deploys is seen as it comes up, without reloading',
    step(async () => {
      await admin.goto('/instances');
      await admin.signIn();
      await admin.sees('Nothing has been deployed yet');
      await mark();
      await api.deploy('talker', { instanceName: 'talker-1' });
      await row('talker-1').getByText('Running').waitFor();
      await api.stop('talker-1');
      await row('talker-1').getByText('Stopped').waitFor();
      await api.deploy('talker', { instanceName: 'talker-2' });
      await row('talker-2').getByText('Running').waitFor();
      await assertNotReloaded();
    }),
  );

  test(
    'a line that is printed now is read now; a paused log counts what is missed',
    step(async () => {
      await row('talker-2').getByRole('link', { name: 'talker-2' }).click();
      const log = admin.page.getByRole('log');
      await log.getByText('started talker-2_instance_1').waitFor();
      const { endpoint } = await api.instance('talker-2');
      await fetch(`${endpoint}/print?text=the+valve+opens`);
      await log.getByText('the valve opens').waitFor();
      await admin.button('Pause').click();
      await fetch(`${endpoint}/print?text=and+closes`);
      await admin.button('Go on, 1 new').click();
      await log.getByText('and closes').waitFor();
      await assertNotReloaded();
    }),
  );

  test(
    'when the platform is killed the page says that it reconnects, and comes back by itself with what is new',
    step(async () => {
      await admin.link('Instances').first().click();
      await row('talker-2').getByText('Running').waitFor();
      admin.provokes('net::ERR_', platform.url);
      await platform.kill();
      await admin.sees('Reconnecting …');
      await row('talker-2').waitFor();
      platform = await startPlatform({ home });
      api = await signIn(platform.url);
      await admin.page.getByText('Reconnecting …').waitFor({ state: 'detached' });
      await row('talker-2').getByText('Running').waitFor();
      await api.deploy('talker', { instanceName: 'talker-3' });
      await row('talker-3').getByText('Running').waitFor();
      await assertNotReloaded();
    }),
  );

  test(
    'a session that has ended is said, and signing in leads back',
    step(async () => {
      admin.provokes(401, '/api/');
      await admin.context.clearCookies();
      await admin.link('Machines').click();
      await admin.sees('Your session is over.');
      await admin.signIn();
      await admin.heading('Machines').waitFor();
    }),
  );
});
