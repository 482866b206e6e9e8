import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AvkError } from '../../../domain/errors.ts';
import { manifestSchema } from '../../../domain/manifest.ts';
import type { ContainerSpec } from '../../../ports/container-runtime.ts';
import { createBody, exitOf, infoOfSummary, labelled, labelsOf, readLabels } from './containers.ts';
import { DockerError } from './docker-api.ts';
import { dockerTag } from './image-names.ts';
import { startFailure } from './start-failure.ts';

const manifest = manifestSchema.parse({ name: 'probe', version: '1.0.0', runtime: 'node', entry: 'main.js' });
const MACHINE = { name: 'VM1', address: '10.0.0.1', cores: 2 };
const SPEC: ContainerSpec = {
  id: 'r1',
  name: 'probe-1_instance_1',
  instance: 'probe-1',
  generation: 3,
  image: 'probe:1.0.0-0a1b2c3d',
  manifest,
  env: { KEY: 'a secret', PORT: 'what the caller thinks' },
  hostPort: 20_001,
  resources: { cpus: 4, memoryMb: 64 },
};

test('labels say all that is known of a container', () => {
  const container = labelled(SPEC, MACHINE);
  assert.deepEqual(readLabels({ ...labelsOf(container, 'VM1'), other: 'x' }), container);
  // A share of more cores than there are would be refused.
  assert.equal(container.cpus, 2);
  assert.equal(readLabels({}), null);
  assert.equal(readLabels({ ...labelsOf(container, 'VM1'), 'avishkar.host-port': 'x' }), null);
});

test('what a container is made of shows in its labels, but not what it is told', () => {
  const { hash } = labelled(SPEC, MACHINE);
  assert.notEqual(labelled({ ...SPEC, env: { KEY: 'another' } }, MACHINE).hash, hash);
  assert.notEqual(labelled({ ...SPEC, hostPort: 20_002 }, MACHINE).hash, hash);
  assert.doesNotMatch(JSON.stringify(labelsOf(labelled(SPEC, MACHINE), 'VM1')), /secret/);
});

test('a container has no more rights than an app needs', () => {
  const body = createBody(SPEC, MACHINE);
  assert.partialDeepStrictEqual(body, {
    Image: 'probe:1.0.0-0a1b2c3d',
    Env: ['KEY=a secret', 'PORT=8050'],
    HostConfig: {
      PortBindings: { '8050/tcp': [{ HostIp: '10.0.0.1', HostPort: '20001' }] },
      CapDrop: ['ALL'],
      SecurityOpt: ['no-new-privileges'],
      Privileged: false,
      Init: true,
      PidsLimit: 256,
      NanoCpus: 2e9,
      Memory: 64 * 1024 * 1024,
      MemorySwap: 64 * 1024 * 1024,
      LogConfig: { Type: 'json-file', Config: { 'max-size': '5m', 'max-file': '2' } },
      RestartPolicy: { Name: 'no' },
    },
  });
  assert.doesNotMatch(JSON.stringify(body), /Binds|Mounts|Devices/);
});

test('exit codes tell signals as shells do', () => {
  assert.deepEqual(exitOf(0), { exitCode: 0, exitSignal: null });
  assert.deepEqual(exitOf(137), { exitCode: null, exitSignal: 'SIGKILL' });
  assert.deepEqual(exitOf(143), { exitCode: null, exitSignal: 'SIGTERM' });
  assert.deepEqual(exitOf(134), { exitCode: null, exitSignal: 'SIGABRT' });
  assert.deepEqual(exitOf(128), { exitCode: 128, exitSignal: null });
  assert.deepEqual(exitOf(255), { exitCode: 255, exitSignal: null });
  assert.deepEqual(exitOf(null), { exitCode: null, exitSignal: null });
});

test('a list tells how containers ended', () => {
  const summary = (State: string, Status: string) =>
    infoOfSummary(
      { Id: 'abc', Names: ['/probe-1_instance_1'], Labels: labelsOf(labelled(SPEC, MACHINE), 'VM1'), State, Status },
      '10.0.0.1',
    );
  assert.deepEqual(summary('exited', 'Exited (7) 2 minutes ago'), {
    id: 'r1',
    containerId: 'abc',
    name: 'probe-1_instance_1',
    instance: 'probe-1',
    generation: 3,
    image: 'probe:1.0.0-0a1b2c3d',
    hostPort: 20_001,
    state: 'exited',
    exitCode: 7,
    exitSignal: null,
    address: { ip: '10.0.0.1', port: 20_001 },
  });
  assert.partialDeepStrictEqual(summary('running', 'Up 2 minutes'), { state: 'running', exitCode: null });
  assert.partialDeepStrictEqual(summary('created', 'Created'), { state: 'exited', exitCode: null });
  assert.equal(summary('removing', 'Removal In Progress'), null);
});

test('names that Docker does not take are changed, and stay different', () => {
  assert.equal(dockerTag('room-comfort:1.2.0-3f9a0c12'), 'room-comfort:1.2.0-3f9a0c12');
  const changed = ['Room:1', 'room_:1', 'room-:1', 'r___m:1', 'room:1+build', `room:${'1'.repeat(200)}`].map(dockerTag);
  for (const tag of changed) assert.match(tag, /^[a-z0-9]+(-[a-z0-9]+)*:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/);
  assert.equal(new Set(changed).size, changed.length);
});

test('what Docker says to a start becomes an error without what the app is told', () => {
  const told = (status: number, message: string) =>
    startFailure(new DockerError(status, message), SPEC, 'VM1') as AvkError;
  assert.equal(told(404, 'No such image: probe:1.0.0-0a1b2c3d').code, 'AVK_IMAGE_MISSING');
  for (const message of [
    'driver failed: Bind for 10.0.0.1:20001 failed: port is already allocated',
    'listen tcp4 10.0.0.1:20001: bind: address already in use',
  ]) {
    assert.equal(told(500, message).code, 'AVK_PORT_TAKEN');
  }
  assert.equal(told(500, 'mkdir /var/lib/docker/x: no space left on device').code, 'AVK_DISK_FULL');
  const failed = told(400, 'exec: "a secret": executable file not found.');
  assert.equal(failed.code, 'AVK_START_FAILED');
  assert.equal(failed.message, 'probe-1_instance_1 could not be started on VM1: exec: "…": executable file not found.');
  const other = new Error('something else');
  assert.equal(startFailure(other, SPEC, 'VM1'), other);
});
