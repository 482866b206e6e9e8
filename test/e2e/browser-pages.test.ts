import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Browser } from 'playwright-core';
import { type Api, signIn } from '../support/api.ts';
import { appOf, webApp } from '../support/apps.ts';
import { inspect, NO_BROWSER, newStory, newVisitor, openBrowser, type Visitor } from '../support/browser.ts';
import { eventually } from '../support/eventually.ts';
import { PASSWORD, startPlatform, type TestPlatform } from '../support/platform.ts';

const LONG = 'greenhouse-control-with-a-rather-long-name';
const CONFIG = [
  { key: 'SITE', type: 'string', required: true, title: 'Site' },
  { key: 'MODE', type: 'enum', values: ['auto', 'manual'], default: 'auto' },
  { key: 'NIGHT', type: 'boolean', default: true, description: 'Also while it is dark' },
  { key: 'API_KEY', type: 'string', secret: true },
  { key: 'THRESHOLD', type: 'number', min: 10, max: 40, default: 22 },
];

/** Each page by its address, what is to be seen before it is looked at, and what is opened on it. */
const PAGES: { name: string; path: string; sees: string | RegExp; open?: (visitor: Visitor) => Promise<void> }[] = [
  { name: 'overview', path: '/', sees: 'Recent events' },
  {
    name: 'question before the platform stops',
    path: '/',
    sees: 'Services',
    open: (v) => v.button('Stop the platform').click(),
  },
  { name: 'account menu', path: '/', sees: 'Services', open: (v) => v.button('Account of admin').click() },
  { name: 'instances', path: '/instances', sees: 'leaky-1' },
  { name: 'schedules', path: '/instances?tab=scheduled', sees: 'every Mon, Tue' },
  { name: 'running instance', path: '/instances/kew', sees: '2 healthy' },
  { name: 'scaling', path: '/instances/kew', sees: '2 healthy', open: (v) => v.button('Scale').click() },
  { name: 'upgrading', path: '/instances/kew', sees: '2 healthy', open: (v) => v.button('Upgrade').click() },
  { name: 'failed instance', path: '/instances/leaky-1', sees: 'It failed' },
  { name: 'scheduled instance', path: '/instances/mornings', sees: 'It is scheduled' },
  { name: 'catalogue', path: '/catalogue', sees: LONG },
  { name: 'deploying', path: `/deploy/${LONG}/1.0.0`, sees: 'At night, too' },
  {
    name: 'deploying with mistakes',
    path: `/deploy/${LONG}/1.0.0`,
    sees: 'Settings',
    open: (v) => v.button('Deploy').click(),
  },
  { name: 'scheduling', path: `/deploy/${LONG}/1.0.0`, sees: 'Settings', open: schedule },
  { name: 'machines', path: '/machines', sees: 'Score' },
  { name: 'users', path: '/administration/users', sees: 'ulla' },
  { name: 'adding a user', path: '/administration/users', sees: 'ulla', open: (v) => v.button('Add a user').click() },
  { name: 'tokens', path: '/administration/tokens', sees: 'CI uploads' },
  { name: 'creating a token', path: '/administration/tokens', sees: 'CI uploads', open: createToken },
  { name: 'audit log', path: '/administration/audit', sees: 'Signs in' },
  { name: 'account', path: '/account', sees: 'Change the password' },
  { name: 'no page', path: '/nowhere', sees: 'To the overview' },
];

async function schedule({ page }: Visitor): Promise<void> {
  await page.getByText('On a schedule').click();
  await page.getByRole('combobox', { name: 'Repeat' }).click();
  await page.getByRole('option', { name: 'Every week on …' }).click();
  await page.getByRole('region', { name: 'Next times' }).getByRole('listitem').nth(9).waitFor();
}

async function createToken(visitor: Visitor): Promise<void> {
  await visitor.button('Create a token').click();
  await visitor.dialog().getByText('Only some things').click();
}

describe('pages in the browser', { skip: NO_BROWSER }, () => {
  let platform: TestPlatform;
  let browser: Browser;
  let admin: Visitor;
  let typist: Visitor;

  before(async () => {
    [platform, browser] = await Promise.all([startPlatform({ flags: ['--nodes', '2'] }), openBrowser()]);
    await furnish(await signIn(platform.url));
    admin = await newVisitor(browser, platform.url);
    typist = await newVisitor(browser, platform.url, { reducedMotion: 'no-preference' });
  });

  after(async () => {
    await browser.close();
    assert.equal(await platform.stop(), 0, platform.output());
    platform.home.remove();
  });

  async function furnish(api: Api): Promise<void> {
    await api.provide(
      webApp(LONG, {
        config: CONFIG.map((entry) => (entry.key === 'NIGHT' ? { ...entry, title: 'At night, too' } : entry)),
      }),
    );
    await api.provide(webApp(LONG, { version: '1.1.0' }));
    await api.provide(appOf('leaky', "console.log('opening the valve'); process.exit(7);"));
    await api.deploy(LONG, {
      version: '1.0.0',
      instanceName: 'kew',
      config: { SITE: 'Kew' },
      scale: { min: 2, max: 4 },
    });
    await api.deploy('leaky');
    await api.post('/api/deployedApps/scheduleApp/', {
      appName: 'leaky',
      instanceName: 'mornings',
      start: '2036-03-03T08:00',
      end: '2036-03-03T10:00',
      timezone: 'Europe/Berlin',
      recurrence: 'FREQ=WEEKLY;BYDAY=MO,TU',
    });
    await api.post('/api/users/', { username: 'ulla', password: 'ulla has a long password', role: 'user' });
    await api.post('/api/tokens/', { name: 'CI uploads', role: 'developer', scopes: ['upload'], expiresInDays: 90 });
    await api.reaches('kew', 'running');
    await api.reaches('leaky-1', 'failed');
  }

  const looking = newStory(() => admin);

  test(
    'signing in can be done by everybody, in light and dark and at 360 px',
    looking(async () => {
      await admin.goto('/');
      await admin.button('Forgot the password?').click();
      await inspect(admin, 'sign in');
      await admin.signIn();
    }),
  );

  for (const { name, path, sees, open } of PAGES) {
    test(
      `the page can be used by everybody, in light and dark and at 360 px: ${name}`,
      newStory(() => admin)(async () => {
        await admin.goto(path);
        await admin.page.getByRole('heading', { level: 1 }).waitFor();
        await admin.sees(sees);
        await open?.(admin);
        await eventually(async () => (await admin.page.locator('[aria-busy=true]').count()) === 0);
        await inspect(admin, name);
      }),
    );
  }

  const typing = newStory(() => typist);
  /** Goes on from stop to stop until it is there, as one does who has no mouse. */
  async function tabTo(name: string | RegExp): Promise<void> {
    const seen: string[] = [];
    for (let stops = 0; stops < 60; stops += 1) {
      await typist.page.keyboard.press('Tab');
      const at = await focused();
      if (typeof name === 'string' ? at === name : name.test(at)) return;
      seen.push(at);
    }
    assert.fail(`the Tab key does not lead to ${name}, but to ${seen.join(' | ')}`);
  }
  const focused = (): Promise<string> =>
    typist.page.evaluate<string>(
      `(document.activeElement?.getAttribute('aria-label') ?? document.activeElement?.textContent ?? '').trim()`,
    );

  test(
    'one signs in with the keyboard alone, and the first stop skips the navigation',
    typing(async () => {
      await typist.goto('/');
      await typist.heading('Sign in').waitFor();
      await typist.page.locator('input[name=username]:focus').waitFor();
      await typist.page.keyboard.type('admin');
      await typist.page.keyboard.press('Tab');
      await typist.page.keyboard.type(PASSWORD);
      await typist.page.keyboard.press('Enter');
      await typist.heading('Overview').waitFor();
      await typist.page.reload();
      await typist.heading('Overview').waitFor();
      await typist.page.keyboard.press('Tab');
      assert.equal(await focused(), 'Skip to the content');
      await typist.page.keyboard.press('Enter');
      assert.equal(await typist.page.evaluate('document.activeElement.id'), 'main');
    }),
  );

  test(
    'a dialog takes the focus, keeps it, closes with Escape and gives it back',
    typing(async () => {
      await typist.button('Stop the platform').waitFor();
      await tabTo('Stop the platform');
      await typist.page.keyboard.press('Enter');
      await typist.dialog().waitFor();
      await typist.dialog().locator('button:focus').getByText('Keep as it is').waitFor();
      for (let stops = 0; stops < 6; stops += 1) {
        await typist.page.keyboard.press('Tab');
        assert.equal(await typist.dialog().locator(':focus').count(), 1, 'the focus has left the dialog');
      }
      await typist.page.keyboard.press('Escape');
      await typist.dialog().waitFor({ state: 'hidden' });
      await typist.page.locator('button:focus').getByText('Stop the platform').waitFor();
    }),
  );

  test(
    'one goes to another page with the keyboard, and hears where one is',
    typing(async () => {
      await typist.page.reload();
      await typist.heading('Overview').waitFor();
      await tabTo('Machines');
      await typist.page.keyboard.press('Enter');
      await typist.page.locator('h1:focus').getByText('Machines').waitFor();
      assert.equal(await typist.page.title(), 'Machines · Avishkar');
      await tabTo(/^Drain node1/);
    }),
  );
});
