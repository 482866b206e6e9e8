import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type Api, type Instance, signIn } from '../support/api.ts';
import { eventually } from '../support/eventually.ts';
import { type Home, newHome, startPlatform, type TestPlatform } from '../support/platform.ts';
import { appProcesses, outlivedBy } from '../support/processes.ts';
import { askableApp, follow, newUser, refused } from './http.support.ts';

interface Line {
  ts: string;
  replica: string;
  stream: string;
  line: string;
}

const SCALE = '/api/deployedApps/scale/';

describe('scaling, logs and events', () => {
  let home: Home;
  let platform: TestPlatform;
  let admin: Api;
  let api: Api;
  let endpoint: string;
  const name = 'app-1';

  before(async () => {
    home = newHome();
    platform = await startPlatform({ home });
    admin = await signIn(platform.url);
    api = await newUser(platform.url, admin, 'Alice', 'user');
    await admin.provide(askableApp('app'));
    assert.equal(await api.deploy('app'), name);
    endpoint = (await api.reaches(name, 'running')).endpoint ?? '';
  });

  after(async () => {
    assert.equal(await platform.stop(), 0, platform.output());
    assert.deepEqual(outlivedBy(home.directory), []);
    home.remove();
  });

  /** Waits until exactly so many replicas are there, all healthy. */
  async function scaled(replicas: number): Promise<Instance> {
    await api.post(SCALE, { instanceName: name, replicas });
    return eventually(async () => {
      const instance = await api.instance(name);
      const states = instance.replicas.map(({ state }) => state);
      return states.length === replicas && states.every((state) => state === 'healthy') ? instance : null;
    });
  }
  const print = async (text: string): Promise<string> => (await fetch(`${endpoint}/print?text=${text}`)).text();
  const linesOf = async (query: string): Promise<Line[]> =>
    (await api.get<{ lines: Line[] }>(`/api/deployedApps/${name}/logs?${query}`)).lines;

  test('numbers of replicas that make no sense are 422, and nothing changes', async () => {
    const wrong = [
      { min: 3, max: 2 },
      { replicas: 0 },
      { replicas: 101 },
      { min: 0 },
      { max: 101 },
      { replicas: 1.5 },
      { replicas: '2' },
      { replicas: 2, max: 3 },
      {},
      { replicas: 2, speed: 9 },
    ];
    for (const body of wrong) {
      const response = await api.request('POST', SCALE, { instanceName: name, ...body });
      const { errors } = await refused(response, 422, 'AVK_UNACCEPTABLE');
      assert.ok(errors.length > 0, JSON.stringify(body));
    }
    for (const scale of [{ min: 3, max: 2 }, { min: 0 }, { max: 101 }]) {
      const response = await api.request('POST', '/api/deployedApps/deployApp/', { appName: 'app', scale });
      await refused(response, 422, 'AVK_UNACCEPTABLE');
    }
    await refused(await api.request('POST', SCALE, { instanceName: 'nobody', replicas: 2 }), 404);
    const { scale } = await api.get<{ scale: { min: number; max: number } }>(`/api/deployedApps/${name}`);
    assert.deepEqual([scale.min, scale.max], [1, 5]);
  });

  test('replicas are numbered from the highest in use on, each at a port of its own, and all serve', async () => {
    const three = await scaled(3);
    assert.deepEqual(
      three.replicas.map((replica) => replica.name),
      [1, 2, 3].map((n) => `${name}_instance_${n}`),
    );
    assert.equal(new Set(three.replicas.map(({ hostPort }) => hostPort)).size, 3);
    assert.equal(new Set(three.replicas.map(({ id }) => id)).size, 3);
    assert.deepEqual([three.endpoint, three.generation, three.state], [endpoint, 1, 'running']);
    const seen = new Set<string>();
    await eventually(async () => seen.add(await (await fetch(`${endpoint}/`)).text()).size === 3);
    assert.equal((await scaled(2)).replicas.at(-1)?.name, `${name}_instance_2`);
    assert.equal((await scaled(3)).replicas.at(-1)?.name, `${name}_instance_3`);
    await scaled(1);
  });

  async function bothAnswer(): Promise<void> {
    const seen = new Set<string>();
    await eventually(async () => seen.add(await (await fetch(`${endpoint}/`)).text()).size === 2);
  }

  test('requests under way on a replica that is taken away finish', async () => {
    await scaled(2);
    // Healthy is one thing, in the route the next.
    await bothAnswer();
    let first = '';
    const slow = Array.from({ length: 6 }, async () => {
      const response = await fetch(`${endpoint}/slow?ms=1500`);
      first ||= 'answered';
      return [response.status, await response.text()] as const;
    });
    const started = Promise.all(slow);
    // Both replicas have had their share of them once each has answered one that was sent later.
    await bothAnswer();
    await api.post(SCALE, { instanceName: name, replicas: 1 });
    await eventually(async () => (await api.instance(name)).replicas.some(({ state }) => state === 'draining'));
    assert.equal(first, '', 'the slow ones are still under way');
    const answers = await started;
    assert.deepEqual(
      answers.map(([status]) => status),
      Array(6).fill(200),
    );
    assert.deepEqual([...new Set(answers.map(([, text]) => text))].sort(), [
      `${name}_instance_1`,
      `${name}_instance_2`,
    ]);
    await eventually(async () => (await api.instance(name)).replicas.length === 1);
    await eventually(() => appProcesses(home.directory).length === 1);
  });

  test('logs give the last lines of all replicas or of one, and what is asked wrongly is said', async () => {
    const { replicas } = await scaled(2);
    const printed = new Set<string>();
    let count = 0;
    for (; printed.size < 2 || count < 4; count += 1) printed.add(await print(`line-${count}`));
    const all = await eventually(async () => {
      const lines = await linesOf('tail=100');
      return lines.filter(({ line }) => line.startsWith('line-')).length === count ? lines : null;
    });
    assert.deepEqual([...new Set(all.map(({ replica }) => replica))].sort(), [...printed].sort());
    assert.deepEqual(
      all.map(({ ts }) => ts),
      all.map(({ ts }) => ts).sort(),
    );
    assert.deepEqual(await linesOf('tail=2'), all.slice(-2));
    assert.deepEqual(await linesOf('tail=0'), []);
    for (const only of [replicas[1]?.name ?? '', replicas[1]?.id ?? '']) {
      const lines = await linesOf(`tail=1000&replica=${only}`);
      assert.deepEqual(
        lines,
        all.filter(({ replica }) => replica === replicas[1]?.name),
      );
      assert.equal(lines[0]?.line, `started ${replicas[1]?.name}`);
    }
    const nobody = await api.request('GET', `/api/deployedApps/${name}/logs?replica=${name}_instance_9`);
    await refused(nobody, 404, 'AVK_NOT_FOUND');
    await scaled(1);
  });

  test('followed logs bring new lines, also those of a replica that was added meanwhile', async () => {
    const stream = await follow(api, platform.url, `/api/deployedApps/${name}/logs?follow=true&tail=0`);
    try {
      const lines = (): unknown[] => stream.events.map(({ data }) => data.line);
      await eventually(async () => {
        await print('while-followed');
        return lines().includes('while-followed');
      });
      assert.ok(!lines().includes('line-0'), 'the past was not asked for');
      await scaled(2);
      await eventually(async () => {
        const from = await print('of-the-second');
        return (
          stream.events.some(({ data }) => data.line === 'of-the-second' && data.replica === `${name}_instance_2`) &&
          from
        );
      });
      for (const { data } of stream.events)
        assert.deepEqual(Object.keys(data).sort(), ['line', 'replica', 'stream', 'ts']);
    } finally {
      stream.close();
    }
    await scaled(1);
  });

  test('followed logs end with the instance', async () => {
    await api.deploy('app', { instanceName: 'ending' });
    await api.reaches('ending', 'running');
    const stream = await follow(api, platform.url, '/api/deployedApps/ending/logs?follow=true');
    try {
      await eventually(() => stream.events.some(({ data }) => data.line === 'started ending_instance_1'));
      await api.stop('ending');
      await Promise.all([stream.ended, api.reaches('ending', 'stopped')]);
    } finally {
      stream.close();
    }
  });

  test('the build has a log of its own', async () => {
    const install = { scripts: { preinstall: 'echo installing-by-hand' }, dependencies: {} };
    await admin.provide({ ...askableApp('built'), 'package.json': JSON.stringify(install) });
    const built = await admin.deploy('built');
    await admin.reaches(built, 'running');
    const { lines } = await admin.get<{ lines: Line[] }>(`/api/deployedApps/${built}/logs?build=true`);
    assert.ok(lines.length > 0);
    assert.deepEqual([...new Set(lines.map(({ stream }) => stream))], ['build']);
    assert.match(lines.map(({ line }) => line).join('\n'), /npm|install/);
    const own = await admin.get<{ lines: Line[] }>(`/api/deployedApps/${built}/logs`);
    assert.deepEqual(
      own.lines.map(({ line }) => line),
      [`started ${built}_instance_1`],
    );
    await admin.stop(built);
    await admin.reaches(built, 'stopped');
  });

  test('the timeline tells in order how an instance came up, where and why there', async () => {
    const other = await api.deploy('app', { instanceName: 'told' });
    await api.reaches(other, 'running');
    await api.stop(other);
    await api.reaches(other, 'stopped');
    const { events } = await api.get<{ events: { ts: string; kind: string; text: string }[] }>(
      `/api/deployedApps/${other}/events`,
    );
    const kinds = [
      'requested',
      'placing',
      'placed',
      'building',
      'starting',
      'routing',
      'running',
      'stopping',
      'stopped',
    ];
    assert.deepEqual(
      events.map(({ kind }) => kind),
      kinds,
    );
    assert.deepEqual(
      events.map(({ ts }) => ts),
      events.map(({ ts }) => ts).sort(),
    );
    const placed = events.find(({ kind }) => kind === 'placed')?.text ?? '';
    assert.match(placed, /^node1 is .*CPU \d+ %, memory \d+ %, disk \d+ %, score \d/);
    assert.match(events.find(({ kind }) => kind === 'running')?.text ?? '', /http:\/\/[0-9.]+:\d+/);
    const tail = await api.get<{ events: unknown[] }>(`/api/deployedApps/${other}/events?tail=2`);
    assert.deepEqual(tail.events, events.slice(-2));
  });

  test('the live stream brings the changes of one’s own instances only; an administrator’s all', async () => {
    const bob = await newUser(platform.url, admin, 'Bob', 'user');
    const streams = await Promise.all([api, bob, admin].map((one) => follow(one, platform.url, '/api/events/stream')));
    const [hers, his, all] = streams.map(({ events }) => events);
    assert.ok(hers && his && all);
    try {
      await Promise.all([api.deploy('app', { instanceName: 'hers' }), bob.deploy('app', { instanceName: 'his' })]);
      await Promise.all([api.reaches('hers', 'running'), bob.reaches('his', 'running')]);
      await Promise.all([api.stop('hers'), bob.stop('his')]);
      const ended = (events: typeof all, instance: string): boolean =>
        events.some(({ data }) => data.instance === instance && data.state === 'stopped');
      await eventually(() => ended(hers, 'hers') && ended(his, 'his') && ended(all, 'hers') && ended(all, 'his'));
      // Figures and the platform's own news come on the same stream.
      const news = (events: typeof all): typeof all => events.filter(({ event }) => event === 'instance');
      const about = (events: typeof all) => [...new Set(news(events).map(({ data }) => data.instance))].sort();
      assert.deepEqual([about(hers), about(his), about(all)], [['hers'], ['his'], ['hers', 'his']]);
      const states = news(hers).map(({ data }) => data.state);
      for (const state of ['requested', 'building', 'starting', 'running', 'stopping', 'stopped']) {
        assert.ok(states.includes(state), `${state} is missing in ${states.join(', ')}`);
      }
      for (const { data } of news(all)) {
        assert.deepEqual(Object.keys(data).sort(), ['at', 'instance', 'kind', 'state', 'text', 'type']);
      }
    } finally {
      for (const stream of streams) stream.close();
    }
    await refused(await fetch(`${platform.url}/api/events/stream`), 401);
  });
});
