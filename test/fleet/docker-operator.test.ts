import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import type { Host } from '../../src/ports/host.ts';
import { eventually } from '../support/eventually.ts';
import { createDockerHarness, type DockerHarness } from './docker-harness.ts';
import { APP, ask, asUser, ensure, IMAGE, manifestWith, must, never, specFor, started } from './docker-lab.ts';
import { bringUpFleet, type Fleet, fleetOrSkip } from './fleet.ts';
import { createSshLab } from './ssh-lab.ts';
import type { FleetVm } from './vm.ts';

const SECRET = `s3cr3t "$(id)" 'x' #1`;
const LINES = 'one\ntwo';

/** Files are written after the app runs, and on a busy machine programs take their time to come up. */
const LATER = { deadlineMs: 40_000 };

describe('an operator with SSH alone', fleetOrSkip(), () => {
  let fleet: Fleet;
  let vm: FleetVm;
  let harness: DockerHarness;

  before(async () => {
    fleet = await bringUpFleet(1);
    vm = fleet.vms[0] as FleetVm;
  });
  after(() => fleet?.down());
  beforeEach(async () => {
    harness = await createDockerHarness(vm, createSshLab);
  });
  afterEach(() => harness.cleanup());

  const folder = (): string => `${vm.servicePath}/probe-1`;
  const read = (path: string): Promise<string> => must(vm, 'cat', `${folder()}/${path}`);
  const there = async (path: string): Promise<boolean> => (await vm.exec(['test', '-e', path])).exitCode === 0;
  const script = (name: string): Promise<string> => asUser(vm, `cd Services/probe-1 && bash probe-1_${name}.sh`);

  test('starts an app again by hand, and the platform takes it for its own', { timeout: 120_000 }, async () => {
    const env = { SECRET, LINES, UID: '7' };
    await ensure(harness.runtime, { 'main.js': APP, 'lib/x.js': '1' });
    const { spec, info } = await started(harness, { env });
    const second = await started(harness, { env });
    await eventually(async () => (await read('probe-1_start.sh')).includes(second.spec.name), LATER);
    await harness.runtime.close();

    const before = JSON.parse(await ask(info));
    assert.equal(await read('app/main.js'), APP);
    assert.match(await read('Dockerfile'), /^FROM node:24-slim\n/);
    assert.equal((await must(vm, 'stat', '-c', '%a %U', `${folder()}/probe-1.env`)).trim(), `600 ${vm.user}`);
    for (const name of ['probe-1_start.sh', 'probe-1_end.sh']) assert.doesNotMatch(await read(name), /s3cr3t/);

    const platform = await harness.reopen();
    const same = async (): Promise<void> => {
      for (const each of [spec, second.spec]) {
        const now = await platform.inspect(each.id);
        assert.equal(now?.state, 'running');
        assert.equal((await platform.start(each, { signal: never() })).containerId, now?.containerId);
      }
      const told = JSON.parse(await eventually(() => ask(info), LATER));
      assert.deepEqual({ ...told, HOSTNAME: '' }, { ...before, HOSTNAME: '' });
    };

    await script('start');
    await same();
    assert.notEqual((await platform.inspect(spec.id))?.containerId, info.containerId);

    // The same when nothing of it is left but the folder.
    await script('end');
    assert.deepEqual(await platform.list(), []);
    await platform.removeImage(IMAGE);
    await must(vm, 'rm', '-rf', `${vm.servicePath}/.avishkar`);
    await script('start');
    await same();
    assert.deepEqual(await platform.listImages(), [IMAGE]);
    const inspected = (each: string): Promise<string> =>
      must(vm, 'docker', 'inspect', '--format', '{{json .HostConfig}} {{json .Config.Labels}}', each);
    const byHand = await inspected(spec.name);
    await platform.remove(spec.id);
    await platform.start(spec, { signal: never() });
    const [hand, ours] = [byHand, await inspected(spec.name)].map((text) => comparable(text));
    assert.deepEqual(hand, ours);
    await platform.close();
    harness = await createDockerHarness(vm, createSshLab);
  });

  test('finds an app with its own Dockerfile as its author packed it', { timeout: 120_000 }, async () => {
    const manifest = manifestWith({ runtime: 'dockerfile', entry: 'docker/Dockerfile' });
    const dockerfile = 'FROM node:24-slim\nWORKDIR /srv\nCOPY . .\nCMD ["node", "server.js"]\n';
    await ensure(harness.runtime, { 'docker/Dockerfile': dockerfile, 'server.js': APP }, { manifest });
    const { spec, info } = await started(harness, { manifest });
    await eventually(() => there(`${folder()}/probe-1_start.sh`));
    assert.equal(await read('Dockerfile'), dockerfile);
    await must(vm, 'docker', 'rm', '--force', info.containerId);
    await harness.runtime.removeImage(IMAGE);
    await script('start');
    await eventually(() => ask(info));
    assert.equal((await harness.runtime.inspect(spec.id))?.state, 'running');
  });

  test('finds nothing of an app that is gone, and what is theirs untouched', { timeout: 120_000 }, async () => {
    await ensure(harness.runtime, { 'main.js': APP });
    await asUser(vm, 'mkdir -p Services/mine && echo precious > Services/mine/file');
    const first = await started(harness);
    const second = await started(harness);
    await started(harness, { instance: 'mine' });
    await eventually(async () => (await read('probe-1_end.sh')).includes(second.spec.name));
    await harness.runtime.remove(second.spec.id);
    await eventually(async () => !(await read('probe-1_end.sh')).includes(second.spec.name));
    await harness.runtime.remove(first.spec.id);
    await eventually(async () => !(await there(folder())));
    await eventually(() => harness.logged.some((line) => /Services\/mine on VM1 is not the platform's/.test(line)));
    for (const { id } of await harness.runtime.list()) await harness.runtime.remove(id);
    await harness.runtime.removeImage(IMAGE);
    const images = `${vm.servicePath}/.avishkar/images`;
    await eventually(async () => (await must(vm, 'ls', images)) === '');
    assert.equal(await must(vm, 'find', `${vm.servicePath}/mine`, '-type', 'f'), `${vm.servicePath}/mine/file\n`);
  });

  test('scripts and settings that an earlier platform had no time to write are written by the next one', {
    timeout: 180_000,
  }, async () => {
    await harness.runtime.close();
    const before = await createDockerHarness(vm, writesNothing);
    const env = { SECRET, LINES, UID: '7' };
    await ensure(before.runtime, { 'main.js': APP });
    const { spec, info } = await started(before, { env });
    const second = await started(before, { env });
    const told = JSON.parse(await ask(info));
    await before.runtime.close();
    assert.equal(await there(folder()), false);

    /** Written by a platform that has just come up. */
    const written = async (what: () => Promise<boolean>): Promise<void> => {
      const next = await harness.reopen();
      await eventually(what, LATER);
      await next.close();
    };
    const complete = async (): Promise<boolean> =>
      (await there(`${folder()}/probe-1_end.sh`)) && (await there(`${folder()}/probe-1.env`));
    await written(complete);
    assert.equal((await must(vm, 'stat', '-c', '%a %U', `${folder()}/probe-1.env`)).trim(), `600 ${vm.user}`);
    assert.equal(
      (await read('probe-1.env')).trim().split('\n').sort().join(),
      `AVISHKAR_INSTANCE=probe-1,SECRET=${SECRET},UID=7`,
    );
    await script('start');
    await eventually(() => ask(second.info), LATER);
    const again = JSON.parse(await eventually(() => ask(info), LATER));
    assert.deepEqual({ ...again, HOSTNAME: '' }, { ...told, HOSTNAME: '' });
    const adopted = await must(vm, 'docker', 'inspect', '--format', '{{.Id}}', spec.name);
    assert.notEqual(adopted.trim(), info.containerId);

    // Whatever of it is missing or of something else is made good, and what was broken off is cleared away.
    await must(vm, 'rm', `${folder()}/probe-1.env`, `${folder()}/probe-1_lines.sh`);
    const brokenOff = `${vm.servicePath}/.avishkar/incoming-old`;
    await must(vm, 'install', '-d', '-o', vm.user, brokenOff);
    await must(vm, 'touch', '-d', '3 hours ago', brokenOff);
    await written(() => there(`${folder()}/probe-1_lines.sh`).then((is) => is && complete()));
    const right = await read('probe-1_end.sh');
    await must(vm, 'sh', '-c', `echo true > ${folder()}/probe-1_end.sh`);
    await written(async () => (await read('probe-1_end.sh')) === right);
    assert.equal(await there(brokenOff), false);

    const last = await createDockerHarness(vm, writesNothing);
    await last.runtime.remove(second.spec.id);
    await last.runtime.close();
    assert.equal(await read('probe-1_end.sh'), right);
    await written(async () => !(await read('probe-1_end.sh')).includes(second.spec.name));
    const end = await createDockerHarness(vm, writesNothing);
    await end.runtime.remove(spec.id);
    await end.runtime.close();
    assert.equal(await complete(), true);
    await written(async () => !(await there(folder())));
    harness = await createDockerHarness(vm, createSshLab);
  });

  test('sources that an earlier platform had no time to write are written', { timeout: 120_000 }, async () => {
    await ensure(harness.runtime, { 'main.js': APP });
    const sources = `${vm.servicePath}/.avishkar/images/probe@1.0.0-0a1b2c3d`;
    await eventually(() => there(`${sources}/app/main.js`));
    await must(vm, 'rm', '-rf', sources);
    const later = await createDockerHarness(vm, createSshLab);
    await ensure(later.runtime, { 'main.js': APP });
    await later.runtime.start(await specFor(later), { signal: never() });
    await eventually(async () => (await there(`${sources}/app/main.js`)) && (await there(`${folder()}/app/main.js`)));
    await later.cleanup();
  });
});

/** As good as a platform that is killed before it writes a file. */
async function writesNothing(vm: FleetVm): ReturnType<typeof createSshLab> {
  const lab = await createSshLab(vm);
  const putFile: Host['putFile'] = async () => {
    throw new Error('killed');
  };
  const run: Host['run'] = (argv, options) =>
    argv.includes(`${vm.servicePath}/probe-1`) ? Promise.reject(new Error('killed')) : lab.host.run(argv, options);
  return { ...lab, host: { ...lab.host, putFile, run } };
}

/** Without what differs from start to start, and what Docker fills in by itself in one way or the other. */
function comparable(inspected: string): unknown {
  const [host, labels] = inspected.trim().split('} {');
  const config = JSON.parse(`${host}}`);
  const filled = Object.entries(config).filter(
    ([key, value]) => key !== 'ConsoleSize' && value !== null && !(Array.isArray(value) && value.length === 0),
  );
  return [Object.fromEntries(filled), JSON.parse(`{${labels}`)];
}
