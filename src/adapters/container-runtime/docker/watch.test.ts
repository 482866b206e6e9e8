import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import { createVirtualClock, type VirtualClock } from '../../../../test/support/virtual-clock.ts';
import { AvkError } from '../../../domain/errors.ts';
import { manifestSchema } from '../../../domain/manifest.ts';
import { labelled, labelsOf } from './containers.ts';
import { type DockerApi, DockerError } from './docker-api.ts';
import { createWatch } from './watch.ts';

const refused = (): Error => new AvkError('AVK_HOST_UNREACHABLE', 'Docker on VM1 does not answer (ECONNREFUSED).');
const late = (): Error =>
  new AvkError('AVK_HOST_UNREACHABLE', 'Docker on VM1 does not answer (no answer within 10 s).');

const manifest = manifestSchema.parse({ name: 'probe', version: '1.0.0', runtime: 'node', entry: 'main.js' });
const container = {
  id: 'r1',
  name: 'probe-1_instance_1',
  instance: 'probe-1',
  generation: 1,
  image: 'probe:1.0.0-0a1b2c3d',
  manifest,
  env: {},
  hostPort: 20_001,
  resources: manifest.resources,
};
const LABELS = labelsOf(labelled(container, { name: 'VM1', address: '10.0.0.11', cores: 2 }), 'VM1');

interface Docker {
  clock: VirtualClock;
  /** What it answers with instead, from now on. */
  fails: { events: Error | null; list: Error | null; inspect: Error | null; ping: Error | null };
  /** How long it takes to list containers. */
  listMs: number;
  /** Containers that it lists as running. */
  containers: string[];
  /** Ends the stream of its events, as when it is killed. */
  end: () => void;
  trouble: () => string | null;
  running: () => ReadonlyMap<string, unknown>;
}

async function watched(fn: (docker: Docker) => Promise<void>): Promise<void> {
  const clock = createVirtualClock();
  let events = new PassThrough();
  const docker: Docker = {
    clock,
    fails: { events: null, list: null, inspect: null, ping: null },
    listMs: 0,
    containers: [],
    end: () => events.end(),
    trouble: () => watch.trouble(),
    running: () => watch.running,
  };
  const api: Partial<DockerApi> = {
    async stream(_method, _path, options) {
      if (docker.fails.events) throw docker.fails.events;
      const opened = new PassThrough().on('error', () => undefined);
      options?.signal?.addEventListener('abort', () => opened.destroy(new Error('given up')), { once: true });
      events = opened;
      return opened as never;
    },
    async act() {
      if (docker.fails.ping) throw docker.fails.ping;
    },
    async call(_method, path, schema) {
      if (path !== '/containers/json') throw docker.fails.inspect ?? new DockerError(404, 'no such container');
      await clock.sleep(docker.listMs);
      if (docker.fails.list) throw docker.fails.list;
      return schema.parse(
        docker.containers.map((Id) => ({ Id, Names: [`/${Id}`], Labels: LABELS, State: 'running', Status: 'Up' })),
      );
    },
  };
  const watch = createWatch({
    api: api as DockerApi,
    clock,
    node: 'VM1',
    address: '10.0.0.11',
    log: () => undefined,
    onExit: () => undefined,
    onWatching: () => undefined,
  });
  await clock.advance(10);
  try {
    assert.equal(watch.trouble(), null);
    await fn(docker);
  } finally {
    await watch.close();
  }
}

test('a Docker that was killed is in trouble as soon as it cannot be watched again, until it can', () =>
  watched(async ({ clock, fails, end, trouble }) => {
    fails.events = refused();
    fails.ping = refused();
    end();
    await clock.advance(300);
    assert.equal(trouble(), 'Docker on VM1 does not answer (ECONNREFUSED).');
    await clock.advance(60_000);
    assert.ok(trouble());
    fails.events = null;
    await clock.advance(1000);
    assert.equal(trouble(), null, 'it is asked again every second');
  }));

test('a Docker that hangs is in trouble once it does not answer a look', () =>
  watched(async (docker) => {
    docker.listMs = 10_000;
    docker.fails.list = late();
    docker.fails.events = late();
    docker.fails.ping = late();
    await docker.clock.advance(24_000);
    assert.equal(docker.trouble(), null);
    await docker.clock.advance(1100);
    assert.equal(docker.trouble(), 'Docker on VM1 does not answer (no answer within 10 s).');
    docker.fails.list = null;
    docker.fails.events = null;
    docker.listMs = 0;
    await docker.clock.advance(1000);
    assert.equal(docker.trouble(), null);
  }));

test('a Docker that is slow, or closes the stream of its events now and then, is in no trouble', () =>
  watched(async (docker) => {
    docker.listMs = 8_000;
    for (let count = 0; count < 20; count += 1) {
      docker.end();
      await docker.clock.advance(10_000);
      assert.equal(docker.trouble(), null);
    }
  }));

test('a Docker that is too busy to list its containers, but says that it is there, is in no trouble', () =>
  watched(async (docker) => {
    docker.listMs = 10_000;
    docker.fails.list = late();
    for (let count = 0; count < 60; count += 1) {
      await docker.clock.advance(1000);
      assert.equal(docker.trouble(), null);
    }
    docker.fails.list = new DockerError(500, 'its storage is broken');
    await docker.clock.advance(30_000);
    assert.equal(docker.trouble(), 'its storage is broken');
  }));

test('a single container that cannot be looked at says nothing of Docker', () =>
  watched(async (docker) => {
    docker.containers = ['one'];
    await docker.clock.advance(15_000);
    assert.ok(docker.running().has('one'));
    docker.containers = [];
    docker.fails.inspect = new DockerError(500, 'broken layer');
    for (let count = 0; count < 60; count += 1) {
      await docker.clock.advance(500);
      assert.equal(docker.trouble(), null);
    }
  }));
