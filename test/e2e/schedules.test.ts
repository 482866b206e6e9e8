import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, before, describe, test } from 'node:test';
import { systemClock } from '../../src/adapters/clock/system.ts';
import { createSqliteBus } from '../../src/adapters/message-bus/sqlite.ts';
import { type Api, type Instance, signIn } from '../support/api.ts';
import { webApp } from '../support/apps.ts';
import { eventually } from '../support/eventually.ts';
import { type Home, newHome, startPlatform, type TestPlatform } from '../support/platform.ts';
import { follow, newUser, refused } from './http.support.ts';

interface Schedule {
  scheduleId: string;
  instanceName: string;
  version: string | null;
  state: string;
  paused: boolean;
  next: { start: string; end: string | null }[];
  lastOutcome?: { at: string; text: string; failed: boolean };
}

describe('schedules on a real platform', () => {
  let home: Home;
  let platform: TestPlatform;
  let admin: Api;
  let alice: Api;
  let bob: Api;

  const inMs = (ms: number): string => new Date(Date.now() + ms).toISOString();
  const schedule = (api: Api, more: Record<string, unknown>): Promise<Schedule> =>
    api.post('/api/deployedApps/scheduleApp/', { appName: 'web', ...more });
  const find = (api: Api, { scheduleId }: { scheduleId: string }): Promise<Schedule> =>
    api.get(`/api/schedules/${scheduleId}`);
  const all = async (api: Api): Promise<Schedule[]> =>
    (await api.get<{ schedules: Schedule[] }>('/api/schedules/')).schedules;
  const timeline = async (api: Api, name: string): Promise<string[]> =>
    (await api.get<{ events: { kind: string; text: string }[] }>(`/api/deployedApps/${name}/events`)).events.map(
      ({ kind, text }) => `${kind}: ${text}`,
    );
  const change = async (api: Api, method: string, { scheduleId }: Schedule, body?: unknown): Promise<Response> => {
    const response = await api.request(method, `/api/schedules/${scheduleId}`, body);
    assert.equal(response.status, 200, await response.clone().text());
    return response;
  };

  async function restart(whileDown: () => Promise<void> = async () => undefined): Promise<void> {
    await platform.stop();
    await whileDown();
    platform = await startPlatform({ home });
    admin = await signIn(platform.url);
    alice = await signIn(platform.url, 'alice', 'alice has a long password');
  }

  before(async () => {
    home = newHome();
    platform = await startPlatform({ home });
    admin = await signIn(platform.url);
    alice = await newUser(platform.url, admin, 'alice', 'user');
    bob = await newUser(platform.url, admin, 'bob', 'user');
    await admin.provide(webApp('web', { config: [{ key: 'KEY', type: 'string', secret: true }] }));
  });

  after(async () => {
    assert.equal(await platform.stop(), 0, platform.output());
    home.remove();
  });

  test('a window starts and ends by itself, and is told of on the way', async () => {
    const live = await follow(alice, platform.url, '/api/events/stream');
    const end = inMs(5000);
    const made = await schedule(alice, { instanceName: 'window', start: inMs(1500), end });
    assert.equal(made.instanceName, 'window');
    assert.equal(made.next.length, 1);
    assert.equal(made.next[0]?.end, end);
    assert.equal((await alice.instance('window')).state, 'scheduled');
    const listed = await alice.get<{ apps: Schedule[] }>('/api/deployedApps/getScheduledApps/');
    assert.deepEqual(
      listed.apps.map(({ instanceName, state }) => [instanceName, state]),
      [['window', 'waiting']],
    );
    assert.equal((await alice.instances()).length, 0, 'what is only scheduled is not deployed');
    const running = await reaches(alice, 'window', 'running');
    assert.ok(Date.now() < Date.parse(end), 'it was not running before its end');
    assert.equal((await fetch(running.endpoint ?? '')).status, 200);
    assert.equal((await find(alice, made)).state, 'active');
    await reaches(alice, 'window', 'stopped');
    assert.ok(Date.now() >= Date.parse(end), 'it ended before its time');
    const over = await find(alice, made);
    assert.equal(over.state, 'ended');
    assert.match(over.lastOutcome?.text ?? '', /is over: stopping/);
    assert.equal(over.lastOutcome?.failed, false);
    assert.deepEqual(
      (await timeline(alice, 'window'))
        .filter((line) => /^(scheduled|schedule|requested|running|stopped)/.test(line))
        .map((line) => line.split(':')[0]),
      ['scheduled', 'requested', 'schedule', 'running', 'schedule', 'stopped'],
    );
    await eventually(() => live.events.filter(({ event }) => event === 'schedule').length >= 3);
    const news = live.events.filter(({ event }) => event === 'schedule');
    for (const { data } of news) assert.equal(data.scheduleId, made.scheduleId);
    live.close();
    assert.deepEqual((await alice.get<{ apps: Schedule[] }>('/api/deployedApps/getScheduledApps/')).apps, []);
  });

  test('an instance that is only scheduled has its name, settings and no replica; it goes with its schedule', async () => {
    const made = await schedule(alice, { instanceName: 'Later', start: inMs(3_600_000), config: { KEY: 'sesame' } });
    const instance = await alice.get<Instance & { config: object }>('/api/deployedApps/later');
    assert.deepEqual(
      [instance.instanceName, instance.state, instance.endpoint, instance.replicas, instance.config],
      ['Later', 'scheduled', null, [], { KEY: '********' }],
    );
    const held = { appName: 'web', instanceName: 'later' };
    const taken = await refused(
      await alice.request('POST', '/api/deployedApps/deployApp/', held),
      409,
      'AVK_NAME_TAKEN',
    );
    assert.match(taken.detail, /Later is scheduled; delete its schedule/);
    const again = { ...held, start: inMs(60_000) };
    await refused(await alice.request('POST', '/api/deployedApps/scheduleApp/', again), 409, 'AVK_NAME_TAKEN');
    const stop = await alice.request('POST', '/api/deployedApps/stopApp/', { instanceName: 'later' });
    assert.match((await refused(stop, 409, 'AVK_CONFLICT')).detail, /pause or delete its schedule/);
    const secret = home.directory;
    for (const file of [
      'application-manager.db',
      'application-manager.db-wal',
      'scheduler.db',
      'scheduler.db-wal',
      'bus.db',
      'bus.db-wal',
    ]) {
      const path = join(secret, 'state', file);
      assert.equal(existsSync(path) && readFileSync(path).includes('sesame'), false, `${file} holds the secret`);
    }
    assert.match(((await (await change(alice, 'DELETE', made)).json()) as { detail: string }).detail, /scheduled only/);
    await refused(await alice.request('GET', '/api/deployedApps/later'), 404);
    await refused(await alice.request('GET', `/api/schedules/${made.scheduleId}`), 404);
    assert.equal(await alice.deploy('web', { instanceName: 'later' }), 'later');
    await alice.stop('later');
  });

  test('another user’s schedule is as good as none; an administrator sees all', async () => {
    const made = await schedule(alice, { start: inMs(3_600_000) });
    assert.match(made.instanceName, /^web-\d+$/);
    for (const [method, body] of [['GET'], ['PATCH', { paused: true }], ['DELETE']] as [string, object?][]) {
      await refused(await bob.request(method, `/api/schedules/${made.scheduleId}`, body), 404, 'AVK_NOT_FOUND');
    }
    assert.deepEqual(await all(bob), []);
    assert.ok((await all(admin)).some(({ scheduleId }) => scheduleId === made.scheduleId));
    await refused(
      await bob.request('POST', '/api/deployedApps/deployApp/', { appName: 'web', instanceName: made.instanceName }),
      409,
    );
    await change(admin, 'DELETE', made);
  });

  test('a paused schedule starts nothing; resumed it says so and goes on', async () => {
    const made = await schedule(alice, { instanceName: 'paused', start: inMs(1500), end: inMs(60_000) });
    const paused = (await (await change(alice, 'PATCH', made, { paused: true })).json()) as Schedule;
    assert.deepEqual([paused.paused, paused.state], [true, 'paused']);
    const daily = await schedule(alice, { instanceName: 'daily', start: inMs(1500), recurrence: 'FREQ=DAILY' });
    await change(alice, 'PATCH', daily, { paused: true });
    await change(alice, 'PATCH', daily, { paused: true });
    await eventually(() => Date.now() > Date.parse(made.next[0]?.start ?? '') + 300);
    for (const name of ['paused', 'daily']) assert.equal((await alice.instance(name)).state, 'scheduled');
    const over = (await (await change(alice, 'PATCH', made, { paused: false })).json()) as Schedule;
    assert.equal(over.state, 'ended');
    assert.match((await reaches(alice, 'paused', 'cancelled')).reason ?? '', /left out: the schedule was paused/);
    await refused(
      await alice.request('PATCH', `/api/schedules/${made.scheduleId}`, { paused: true }),
      409,
      'AVK_CONFLICT',
    );
    const goesOn = (await (await change(alice, 'PATCH', daily, { paused: false })).json()) as Schedule;
    assert.deepEqual([goesOn.paused, goesOn.state], [false, 'waiting']);
    assert.ok(Date.parse(goesOn.next[0]?.start ?? '') > Date.now() + 23 * 3_600_000, 'not today any more');
    await eventually(async () => (await timeline(alice, 'daily')).some((line) => /paused/.test(line)));
    await change(alice, 'DELETE', daily);
  });

  test('a schedule that is deleted ends nothing that runs, unless it is asked to', async () => {
    const one = await schedule(alice, { instanceName: 'kept', start: inMs(300), end: inMs(60_000) });
    const two = await schedule(alice, { instanceName: 'ended', start: inMs(300), end: inMs(60_000) });
    await reaches(alice, 'kept', 'running');
    await reaches(alice, 'ended', 'running');
    const kept = (await (await change(alice, 'DELETE', one)).json()) as { detail: string };
    assert.match(kept.detail, /kept runs on/);
    const response = await alice.request('DELETE', `/api/schedules/${two.scheduleId}?stop=true`);
    assert.match(((await response.json()) as { detail: string }).detail, /ended is being stopped/);
    await reaches(alice, 'ended', 'stopped');
    assert.equal((await alice.instance('kept')).state, 'running');
    await alice.stop('kept');
  });

  test('what was deployed by hand in a window is not stopped at its end, and not replaced unless that was asked for', async () => {
    const end = inMs(9000);
    await schedule(alice, { instanceName: 'by-hand', start: inMs(300), end });
    await reaches(alice, 'by-hand', 'running');
    await alice.stop('by-hand');
    await reaches(alice, 'by-hand', 'stopped');
    await alice.deploy('web', { instanceName: 'by-hand' });
    await reaches(alice, 'by-hand', 'running');
    await eventually(
      async () =>
        (await timeline(alice, 'by-hand')).some((line) =>
          /nothing is stopped, as what runs now was deployed by hand/.test(line),
        ),
      { deadlineMs: 20_000 },
    );
    assert.ok(Date.now() >= Date.parse(end));
    const before = await alice.instance('by-hand');
    assert.equal(before.state, 'running');

    const busy = { appName: 'web', instanceName: 'by-hand', start: inMs(500) };
    const taken = await refused(
      await alice.request('POST', '/api/deployedApps/scheduleApp/', busy),
      409,
      'AVK_NAME_TAKEN',
    );
    assert.match(taken.detail, /overlap: replace/);
    await schedule(alice, { instanceName: 'by-hand', start: inMs(500), overlap: 'replace' });
    const replaced = await eventually(
      async () => {
        const now = await alice.instance('by-hand');
        return now.state === 'running' && now.generation > before.generation ? now : null;
      },
      { deadlineMs: 20_000 },
    );
    assert.equal(replaced.generation, before.generation + 1);
    await alice.stop('by-hand');
  });

  test('a start that could not be made is told as a failure', async () => {
    await admin.provide(webApp('grows'));
    const made = await schedule(alice, { appName: 'grows', instanceName: 'left-behind', start: inMs(1500) });
    await admin.provide(
      webApp('grows', { version: '2.0.0', config: [{ key: 'SITE', type: 'string', required: true }] }),
    );
    assert.match((await reaches(alice, 'left-behind', 'failed')).reason ?? '', /could not start.*SITE/);
    const { lastOutcome } = await find(alice, made);
    assert.match(lastOutcome?.text ?? '', /could not start.*SITE/);
    assert.equal(lastOutcome?.failed, true);
  });

  test('a start and an end that the platform slept through come late; a window that is over is left out', async () => {
    const slept = await schedule(alice, { instanceName: 'slept', start: inMs(2500), end: inMs(120_000) });
    const ends = await schedule(alice, { instanceName: 'ends', start: inMs(300), end: inMs(5000) });
    const gone = await schedule(alice, { instanceName: 'gone', start: inMs(2500), end: inMs(3500) });
    await reaches(alice, 'ends', 'running');
    await restart(() => eventually(() => Date.now() > Date.parse(ends.next[0]?.end ?? '')).then(() => undefined));
    await reaches(alice, 'slept', 'running');
    await reaches(alice, 'ends', 'stopped');
    assert.match((await reaches(alice, 'gone', 'cancelled')).reason ?? '', /the platform was stopped then/);
    for (const [made, text] of [
      [slept, /deploying/],
      [ends, /is over: stopping/],
      [gone, /left out/],
    ] as const) {
      assert.match((await find(alice, made)).lastOutcome?.text ?? '', text);
    }
    for (const name of ['slept', 'ends']) {
      const starts = (await timeline(alice, name)).filter((line) => /has come: deploying/.test(line));
      assert.equal(starts.length, 1, starts.join('\n'));
    }
    await change(alice, 'DELETE', slept);
    await alice.stop('slept');
  });

  test('a bare schedule message of the starting document deploys the base app of that name with defaults', async () => {
    const end = inMs(8000);
    const texts = [`schedule app$web$${inMs(4500)}$${end}`, 'schedule app$web-bad$soon$', 'schedule app$scale$$'];
    const answers: string[] = [];
    await restart(async () => {
      const bus = createSqliteBus({ path: join(home.directory, 'state', 'bus.db'), clock: systemClock });
      for (const msg of texts) {
        const envelope = { to_topic: 'Scheduler', from_topic: 'ApplicationManager', request_id: randomUUID(), msg };
        await bus.publish([{ topic: 'Scheduler', key: msg, value: JSON.stringify(envelope) }]);
      }
      await bus.close();
    });
    await reaches(admin, 'web', 'running');
    await reaches(admin, 'web', 'stopped');
    assert.ok(Date.now() >= Date.parse(end));
    const db = new DatabaseSync(join(home.directory, 'state', 'bus.db'), { readOnly: true });
    for (const row of db.prepare(`SELECT value FROM messages WHERE topic = 'first_topic'`).all()) {
      answers.push((JSON.parse(String(row.value)) as { msg: string }).msg);
    }
    db.close();
    for (const once of ['done schedule app$web', 'its time$web', 'its end time$web']) {
      assert.equal(answers.filter((msg) => msg === once).length, 1, `${once}: ${answers.join('\n')}`);
    }
    assert.ok(answers.some((msg) => /^error schedule\$web-bad\$start: expected a time/.test(msg)));
    assert.ok(answers.some((msg) => /^error schedule\$scale\$name: this name is reserved/.test(msg)));
  });

  test('a preview shows ten occurrences and what the clock does to them, and saves nothing', async () => {
    const before = (await all(alice)).length;
    const body = {
      start: '2027-03-27T08:30',
      end: '2027-03-27T09:30',
      timezone: 'Europe/Berlin',
      recurrence: 'FREQ=DAILY',
    };
    const { next } = await alice.post<{ next: { start: string }[] }>('/api/schedules/preview/', body);
    assert.deepEqual(
      [next.length, next[0]?.start, next[1]?.start],
      [10, '2027-03-27T07:30:00.000Z', '2027-03-28T06:30:00.000Z'],
    );
    const { notes } = await alice.post<{ notes: string[] }>('/api/schedules/preview/', {
      start: '2027-03-28T02:30',
      timezone: 'Europe/Berlin',
    });
    assert.deepEqual(notes, ['02:30 does not exist on 2027-03-28 in Europe/Berlin; it starts at 03:30']);
    assert.equal((await all(alice)).length, before);
  });

  describe('bad input names the field, its value and what was expected', () => {
    const soon = inMs(3_600_000);
    const BAD: [what: string, body: Record<string, unknown>, path: string, message: RegExp][] = [
      ['a zone that does not exist', { start: soon, timezone: 'Europe/Berln' }, 'timezone', /IANA time zone/],
      ['an end before its start', { start: soon, end: inMs(60_000) }, 'end', /after the start/],
      ['an end that is its start', { start: soon, end: soon }, 'end', /not the start itself/],
      ['a window that is over', { start: inMs(-7_200_000), end: inMs(-3_600_000) }, 'end', /window is over/],
      ['a start that is past', { start: inMs(-7_200_000) }, 'start', /expected a time ahead/],
      ['a start in 500 years', { start: '2526-01-01T00:00:00Z' }, 'start', /next 20 years/],
      ['a start that is no time', { start: 'tomorrow' }, 'start', /expected a time such as/],
      ['a day that is in no calendar', { start: '2027-02-30T08:00' }, 'start', /expected a time such as/],
      ['no start', {}, 'start', /expected string/],
      ['a rule that is none', { start: soon, recurrence: 'FREQ=OFTEN' }, 'recurrence', /DAILY.*got OFTEN/],
      ['a cron with six fields', { start: soon, recurrence: '* * * * * *' }, 'recurrence', /five fields, this has 6/],
      ['a cron out of range', { start: soon, recurrence: '61 * * * *' }, 'recurrence', /Invalid value for minute: 61/],
      ['a day that never comes', { start: soon, recurrence: '0 0 30 2 *' }, 'recurrence', /never does/],
      ['more than once a minute', { start: soon, recurrence: 'FREQ=SECONDLY' }, 'recurrence', /at least a minute/],
      ['an until without a recurrence', { start: soon, until: inMs(7_200_000) }, 'until', /none without a recurrence/],
      ['an unknown key', { start: soon, repeat: 'daily' }, '', /repeat/],
      ['an unknown overlap rule', { start: soon, overlap: 'both' }, 'overlap', /skip/],
      ['a reserved name', { start: soon, instanceName: 'scale' }, 'instanceName', /reserved/],
      ['an unknown setting', { start: soon, config: { COLOUR: 'red' } }, 'config.COLOUR', /unknown setting/],
      ['an unknown version', { start: soon, version: '9.9.9' }, 'version', /1\.0\.0/],
    ];
    for (const [what, body, path, message] of BAD) {
      test(`a schedule with ${what} is refused`, async () => {
        const response = await alice.request('POST', '/api/deployedApps/scheduleApp/', { appName: 'web', ...body });
        const { errors } = await refused(response, 422, 'AVK_UNACCEPTABLE');
        assert.equal(errors[0]?.path, path);
        assert.match(errors[0]?.message ?? '', message);
        const given = body[path];
        if (typeof given === 'string') assert.equal(errors[0]?.received, given);
      });
    }

    test('an app that is not there is refused', async () => {
      const body = { appName: 'nothing', start: soon };
      await refused(await alice.request('POST', '/api/deployedApps/scheduleApp/', body), 404, 'AVK_NOT_FOUND');
      await refused(await alice.request('GET', '/api/schedules/nothing'), 404, 'AVK_NOT_FOUND');
    });

    test('what is only unusual is accepted with a note', async () => {
      const cases: [Record<string, unknown>, RegExp][] = [
        [{ start: '2027-10-31T02:30', timezone: 'Europe/Berlin' }, /02:30 comes twice on 2027-10-31 in Europe\/Berlin/],
        [{ start: inMs(-60_000), end: soon }, /open already, so it starts at once/],
        [{ start: '2028-11-23T08:00:00Z' }, /more than a year away/],
        [{ start: soon, end: inMs(3 * 3_600_000), recurrence: 'FREQ=HOURLY' }, /left out \(overlap: skip\)/],
        [{ start: soon, end: inMs(3 * 3_600_000), recurrence: 'FREQ=HOURLY', overlap: 'replace' }, /ends the window/],
      ];
      for (const [body, note] of cases) {
        const { notes } = await alice.post<{ notes: string[] }>('/api/schedules/preview/', body);
        assert.ok(
          notes.some((one) => note.test(one)),
          `${note}: ${notes}`,
        );
      }
    });
  });
});

/** Waits for the state; unlike `api.reaches` it takes every other one for one on the way. */
async function reaches(api: Api, name: string, state: string): Promise<Instance> {
  return eventually(
    async () => {
      const instance = await api.instance(name);
      assert.equal(instance.state, state, instance.reason);
      return instance;
    },
    { deadlineMs: 30_000, everyMs: 20 },
  );
}
