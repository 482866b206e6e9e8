import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import { manifestSchema } from '../../../domain/manifest.ts';
import { buildLimits } from './build-limits.ts';
import { labelled } from './containers.ts';
import { environmentFiles, scripts, words } from './operator-scripts.ts';

const run = promisify(execFile);
const MACHINE = { name: 'VM1', address: '10.0.0.1', cores: 2 };
const manifest = manifestSchema.parse({ name: 'probe', version: '1.0.0', runtime: 'node', entry: 'main.js' });
const ENV = {
  PLAIN: `it's "$(id)" \`id\` #1`,
  EMPTY: '',
  LINES: "one\ntwo's",
  UID: '7',
  PORT: '1',
  AVISHKAR_REPLICA: 'x',
};

const replica = (number: number) => {
  const name = `probe-1_instance_${number}`;
  const { resources } = manifest;
  const image = 'Probe:1.0.0-0a1b2c3d';
  const spec = { id: `r${number}`, name, instance: 'probe-1', generation: 1, image, manifest, env: ENV, resources };
  return { name, container: labelled({ ...spec, hostPort: 20_000 + number }, MACHINE) };
};
const INPUT = {
  instance: 'probe-1',
  image: 'Probe:1.0.0-0a1b2c3d',
  replicas: [replica(1), replica(2)],
  machine: MACHINE,
  buildArguments: { HTTPS_PROXY: 'http://proxy:1/?a=b&c' },
  buildLimits: buildLimits({ cores: 2, memoryBytes: 1024 ** 3 }, 2048),
};

/** An instance's folder, and a `docker` that writes down what it was given. `present`: containers and images that are there. */
async function folderWith(
  t: TestContext,
  present: string[],
): Promise<{ folder: string; start: () => Promise<string[][]>; said: () => Promise<string> }> {
  const folder = await mkdtemp(join(tmpdir(), 'avishkar-scripts-'));
  t.after(() => rm(folder, { recursive: true }));
  await mkdir(join(folder, 'bin'));
  const docker = `#!/usr/bin/env bash
printf '%s\\0' "$@" >> ${folder}/calls
printf '\\1' >> ${folder}/calls
case "$1 $2" in
  'image inspect' | 'container inspect') case ' ${present.join(' ')} ' in *" $3 "*) exit 0 ;; *) exit 1 ;; esac ;;
esac
if [ "$1" = run ]; then printf '%s\\n' "\${LINES-unset}" "\${PLAIN-unset}" >> ${folder}/environment; fi
`;
  await writeFile(join(folder, 'bin', 'docker'), docker);
  await chmod(join(folder, 'bin', 'docker'), 0o755);
  for (const { name, text, mode } of [...scripts(INPUT), ...environmentFiles('probe-1', ENV)]) {
    await writeFile(join(folder, name), text, { mode });
  }
  return {
    folder,
    async start() {
      await run('bash', [join(folder, 'probe-1_start.sh')], {
        env: { PATH: `${join(folder, 'bin')}:${process.env.PATH}` },
      });
      const calls = await readFile(join(folder, 'calls'), 'utf8');
      return calls
        .split('\u0001')
        .slice(0, -1)
        .map((call) => call.split('\0').slice(0, -1));
    },
    said: () => readFile(join(folder, 'environment'), 'utf8'),
  };
}

test('an instance is started by hand as the platform starts it', async (t) => {
  const { start, said } = await folderWith(t, ['probe-1_instance_1']);
  const calls = await start();
  assert.deepEqual(
    calls.map((call) => call.slice(0, 2).join(' ')),
    [
      'image inspect',
      'build --tag',
      'container inspect',
      'stop -t',
      'rm --force',
      'container inspect',
      'run --detach',
      'run --detach',
    ],
  );
  const build = calls[1] ?? [];
  assert.deepEqual(build.slice(-3), ['--file', 'Dockerfile', '.']);
  assert.ok(build.includes('512m') && build.includes('160000'));
  assert.ok(
    build.includes('avishkar.image=Probe:1.0.0-0a1b2c3d') && build.includes('HTTPS_PROXY=http://proxy:1/?a=b&c'),
  );
  const second = calls[7] ?? [];
  const wanted = ['--name', 'probe-1_instance_2', 'avishkar.replica=r2', '10.0.0.1:20002:8050', 'PORT=8050'];
  for (const each of [...wanted, 'AVISHKAR_REPLICA=probe-1_instance_2', '--init', 'no-new-privileges']) {
    assert.ok(second.includes(each), each);
  }
  assert.deepEqual(second.slice(-3), ['--env', 'LINES', second.at(-1)]);
  // Values are in no argument; those with line breaks are handed down, the others are in Docker's file.
  assert.doesNotMatch(JSON.stringify(calls), /one|id\)/);
  assert.equal(await said(), "one\ntwo's\nunset\n".repeat(2));
});

test('nothing is built by hand that is there, nor ended that is not', async (t) => {
  const image = /image=(\S+)/.exec(scripts(INPUT)[0]?.text ?? '')?.[1] ?? '';
  const { start } = await folderWith(t, [image]);
  const calls = await start();
  assert.deepEqual(
    calls.map(([first]) => first),
    ['image', 'container', 'container', 'run', 'run'],
  );
});

test('nothing that runs is ended by hand when it could not be started again for want of its settings', async (t) => {
  const { folder, start } = await folderWith(t, ['probe-1_instance_1']);
  await rm(join(folder, 'probe-1.env'));
  await assert.rejects(start(), /probe-1\.env is not here, without which probe-1 cannot run/);
  await assert.rejects(readFile(join(folder, 'calls')), { code: 'ENOENT' });
});

test('what replicas are told is for the owner alone, and line by line where it fits', () => {
  const [env, lines, ...more] = environmentFiles('probe-1', ENV);
  assert.deepEqual(more, []);
  assert.deepEqual(env, {
    name: 'probe-1.env',
    text: `PLAIN=it's "$(id)" \`id\` #1\nEMPTY=\nUID=7\n`,
    mode: 0o600,
  });
  assert.equal(lines?.mode, 0o600);
  assert.equal(environmentFiles('probe-1', { A: 'b' }).length, 1);
});

test('an app with its own Dockerfile is built from its own files alone', () => {
  const { container, name } = replica(1);
  const own = { name, container: { ...container, dockerfile: 'app/docker/Dockerfile' } };
  const [start] = scripts({ ...INPUT, replicas: [own] });
  assert.match(start?.text ?? '', /--file app\/docker\/Dockerfile app\n/);
});

test('words mean to a shell what they are', async () => {
  const argv = ['plain', '--option', `it's`, '', '$HOME', 'a b', '--x=`id`', 'a\nb', '*', '~', '!x', '#'];
  const { stdout } = await run('bash', ['-c', `printf '%s\\0' ${words(argv)}`]);
  assert.deepEqual(stdout.split('\0').slice(0, -1), argv);
});
