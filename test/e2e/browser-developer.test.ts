import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { Browser } from 'playwright-core';
import { signIn } from '../support/api.ts';
import { NO_BROWSER, newStory, newVisitor, openBrowser, type Visitor } from '../support/browser.ts';
import { eventually } from '../support/eventually.ts';
import { ROOT, startPlatform, type TestPlatform } from '../support/platform.ts';
import { zipOf } from '../support/zip.ts';
import { newUser } from './http.support.ts';

const DEADLINE_MS = 40_000;

/** The sample app as one would zip it, in any version. */
async function roomComfort(version: string): Promise<{ name: string; mimeType: string; buffer: Buffer }> {
  const read = (file: string): string => readFileSync(join(ROOT, 'examples/room-comfort', file), 'utf8');
  const files = ['main.js', 'comfort.js', 'readings.js', 'page.html'].map((file) => [file, read(file)]);
  const manifest = JSON.stringify({ ...JSON.parse(read('app.json')), version });
  const buffer = await zipOf({ ...Object.fromEntries(files), 'app.json': manifest });
  return { name: `room-comfort-${version}.zip`, mimeType: 'application/zip', buffer };
}

describe('a developer in the browser', { skip: NO_BROWSER }, () => {
  let platform: TestPlatform;
  let browser: Browser;
  let anna: Visitor;
  const step = newStory(() => anna);
  let endpoint = '';

  before(async () => {
    [platform, browser] = await Promise.all([startPlatform(), openBrowser()]);
    await newUser(platform.url, await signIn(platform.url), 'anna', 'developer');
    anna = await newVisitor(browser, platform.url);
  });

  after(async () => {
    await browser.close();
    assert.equal(await platform.stop(), 0, platform.output());
    platform.home.remove();
  });

  /** Presses what asks, and agrees. */
  async function confirmed(ask: string, yes: string): Promise<void> {
    await anna.button(ask).click();
    await anna.dialog().getByRole('button', { name: yes }).click();
  }

  const state = (name: string): Promise<void> =>
    anna.page.getByRole('main').getByText(name, { exact: true }).first().waitFor();
  const replicaRows = () => anna.page.getByRole('table', { name: 'Replicas' }).locator('tbody').getByRole('row');

  test(
    'a wrong password is refused beside the form; the right one leads to where one wanted to be',
    step(async () => {
      anna.provokes(401, '/api/auth/login/');
      await anna.goto('/catalogue');
      await anna.page.getByLabel('Username').fill('anna');
      await anna.page.getByLabel('Password', { exact: true }).fill('no idea at all');
      await anna.button('Sign in').click();
      assert.match((await anna.page.getByRole('alert').textContent()) ?? '', /Username or password is wrong/);
      await anna.signIn('anna', 'anna has a long password');
      await anna.heading('Catalogue').waitFor();
      await anna.sees('There is no app yet');
    }),
  );

  test(
    'a zip is uploaded and is in the catalogue',
    step(async () => {
      await anna.page.getByLabel('Zip of an app').setInputFiles(await roomComfort('1.0.0'));
      await anna.sees('room-comfort 1.0.0 is in the catalogue');
      await anna.page.getByRole('article', { name: 'room-comfort' }).waitFor();
    }),
  );

  test(
    'the form made from app.json says what is wrong with a setting, and deploys',
    step(async () => {
      await anna.page.getByRole('link', { name: 'Deploy room-comfort 1.0.0' }).click();
      await anna.heading('Deploy room-comfort 1.0.0').waitFor();
      await anna.page.getByLabel('Instance name').fill('lab');
      await anna.page.getByLabel('Room', { exact: true }).fill('Laboratory');
      const warmest = anna.page.getByLabel('Warmest comfortable temperature (°C)');
      await warmest.fill('99');
      await anna.button('Deploy').click();
      await anna.sees('Expected at most 45');
      await anna.page.locator('input[name=THRESHOLD]:focus').waitFor();
      await warmest.fill('24');
      await anna.button('Deploy').click();
      await anna.page.waitForURL('**/instances/lab');
    }),
  );

  test(
    'it comes up step by step, with its settings, and its end point serves',
    step(async () => {
      await anna.heading('lab').waitFor();
      await state('Running');
      const settings = anna.page.getByRole('table', { name: 'Settings' });
      await settings.getByRole('row', { name: 'ROOM Laboratory' }).waitFor();
      await settings.getByRole('row', { name: 'THRESHOLD 24' }).waitFor();
      const timeline = anna.page.getByLabel('Timeline of events');
      for (const text of ['deploying room-comfort 1.0.0', /^building on node1/, /^starting on node1/, /^serving at /])
        await timeline.getByText(text).first().waitFor();
      endpoint = (await anna.link('(opens in a new tab)').getAttribute('href')) ?? '';
      const page = await fetch(endpoint);
      assert.equal(page.status, 200);
      const opened = anna.page.waitForEvent('popup');
      await anna.link('(opens in a new tab)').click();
      const popup = await opened;
      await popup.getByText('Laboratory').first().waitFor();
      await popup.close();
    }),
  );

  test(
    'its log is followed: what a second replica prints is seen as it is printed',
    step(async () => {
      const log = anna.page.getByRole('log');
      await log.getByText('room-comfort serves "Laboratory"').waitFor();
      assert.equal(await log.getByText('room-comfort serves "Laboratory"').count(), 1);
      await anna.button('Scale').click();
      await anna.dialog().getByLabel('At least').fill('2');
      await anna.dialog().getByRole('button', { name: 'Scale' }).click();
      await log.getByText('room-comfort serves "Laboratory"').nth(1).waitFor();
      await anna.sees('2 healthy, 2 to 5 wanted');
      assert.equal(await replicaRows().count(), 2);
      await anna.page.getByLabel('Show only lines with').fill('limits');
      await eventually(async () => (await log.getByText('limits: 24 °C').count()) === 2);
      assert.equal(await log.getByText('room-comfort serves').count(), 0);
      await anna.page.getByLabel('Show only lines with').fill('');
    }),
  );

  test(
    'CPU and memory of both replicas are curves, and in words',
    step(async () => {
      for (const title of ['CPU', 'Memory']) {
        const curve = anna.page.getByRole('img', { name: new RegExp(`^${title} over time`) });
        await eventually(
          async () => {
            const text = (await curve.getAttribute('aria-label')) ?? '';
            assert.match(text, /lab_instance_1: now \d+ %.*lab_instance_2: now \d+ %/);
            return true;
          },
          { deadlineMs: DEADLINE_MS },
        );
        await curve.locator('canvas').first().waitFor();
      }
    }),
  );

  test(
    'a second version in the catalogue is offered without reloading, and comes in behind the same address',
    step(async () => {
      const api = await signIn(platform.url, 'anna', 'anna has a long password');
      const form = new FormData();
      const { buffer, name } = await roomComfort('1.1.0');
      form.set('file', new Blob([new Uint8Array(buffer)], { type: 'application/zip' }), name);
      const headers = { authorization: `Bearer ${api.token}` };
      const uploaded = await fetch(`${platform.url}/api/baseApp/upload/`, { method: 'POST', headers, body: form });
      assert.equal(uploaded.status, 201);
      await anna.button('Upgrade').click({ timeout: DEADLINE_MS });
      await anna.dialog().getByRole('button', { name: 'Upgrade' }).click();
      await anna.sees('room-comfort 1.1.0');
      await anna.sees('2 healthy, 2 to 5 wanted');
      await eventually(async () => (await replicaRows().count()) === 2, { deadlineMs: DEADLINE_MS });
      assert.equal((await fetch(endpoint)).status, 200);
    }),
  );

  test(
    'it is rolled back, restarted and stopped, each after a question',
    step(async () => {
      await confirmed('Roll back', 'Roll back');
      await anna.sees('room-comfort 1.0.0');
      await eventually(async () => (await replicaRows().count()) === 2, { deadlineMs: DEADLINE_MS });
      const before = await replicaRows().allInnerTexts();
      await eventually(async () => (await anna.button('Restart').getAttribute('aria-disabled')) === null, {
        deadlineMs: DEADLINE_MS,
      });
      await confirmed('Restart', 'Restart');
      await eventually(
        async () => {
          const now = await replicaRows().allInnerTexts();
          const name = (row: string): string => row.split('\t')[0] ?? row;
          return now.length === 2 && !now.some((row) => before.map(name).includes(name(row)));
        },
        { deadlineMs: DEADLINE_MS },
      );
      assert.equal((await fetch(endpoint)).status, 200);
      await confirmed('Stop', 'Stop it');
      await state('Stopped');
      await anna.link('Deploy it again').waitFor();
      await assert.rejects(fetch(endpoint), 'the address still answers');
    }),
  );

  test(
    'a schedule shows its next times before it is saved, is paused, resumed and deleted',
    step(async () => {
      await anna.link('Deploy it again').click();
      await anna.heading('Deploy room-comfort 1.0.0').waitFor();
      await anna.page.getByLabel('Instance name').fill('mornings');
      await anna.page.getByText('On a schedule').click();
      await anna.page.getByLabel('Start').fill('2036-03-28T08:00');
      await anna.page.getByLabel('End').fill('2036-03-28T10:00');
      await anna.page.getByRole('combobox', { name: 'Repeat' }).click();
      await anna.page.getByRole('option', { name: 'Every day' }).click();
      const next = anna.page.getByRole('region', { name: 'Next times' });
      await next.getByRole('listitem').nth(9).waitFor();
      assert.match((await next.getByRole('listitem').first().textContent()) ?? '', /28 Mar 2036.*08:00 to 10:00/);
      // On the 30th the clock is put forward in Berlin: eight o'clock stays eight o'clock.
      assert.match((await next.getByRole('listitem').nth(2).textContent()) ?? '', /30 Mar 2036.*08:00 to 10:00/);
      await anna.button('Schedule').click();
      const row = anna.page.getByRole('row', { name: /mornings/ });
      await row.getByText('every day').waitFor();
      await row.getByText('Waiting').waitFor();
      await row.getByRole('button', { name: 'Pause the schedule of mornings' }).click();
      await row.getByText('Paused').waitFor();
      await row.getByRole('button', { name: 'Resume the schedule of mornings' }).click();
      await row.getByText('Waiting').waitFor();
      await row.getByRole('button', { name: 'Delete the schedule of mornings' }).click();
      await anna.dialog().getByRole('button', { name: 'Delete the schedule' }).click();
      await anna.sees('Nothing is scheduled');
    }),
  );
});
