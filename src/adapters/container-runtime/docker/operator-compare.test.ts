import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { manifestSchema } from '../../../domain/manifest.ts';
import { labelled } from './containers.ts';
import { LOOK, lookOf, newestOf, outdated } from './operator-compare.ts';

const run = promisify(execFile);
const MARK = '.avishkar';
const IMAGE = 'probe:1.0.0-0a1b2c3d';
const scriptsOf = (instance: string) => [
  { name: `${instance}_start.sh`, text: `start ${instance}`, mode: 0o755 },
  { name: `${instance}_end.sh`, text: `end ${instance}`, mode: 0o755 },
];

test('what is missing, differs or has no replica any more is found by one look', async (t) => {
  const all = await mkdtemp(join(tmpdir(), 'avishkar-look-'));
  t.after(() => rm(all, { recursive: true }));
  const lay = async (instance: string, changes: Record<string, string | null> = {}): Promise<void> => {
    const files: Record<string, string | null> = { [MARK]: IMAGE, [`${instance}.env`]: 'A=b\n' };
    for (const { name, text } of scriptsOf(instance)) files[name] = text;
    await mkdir(join(all, instance));
    for (const [name, text] of Object.entries({ ...files, ...changes })) {
      if (text !== null) await writeFile(join(all, instance, name), text);
    }
  };
  await mkdir(join(all, MARK, 'images'), { recursive: true });
  await lay('as-it-is');
  await lay('no-settings', { 'no-settings.env': null });
  await lay('no-script', { 'no-script_end.sh': null });
  await lay('half-laid-out', { [MARK]: '' });
  await lay('edited', { 'edited_start.sh': 'start something else' });
  await lay('gone');
  await mkdir(join(all, 'mine'));
  const instances = ['as-it-is', 'no-settings', 'no-script', 'half-laid-out', 'edited', 'never-written'];
  const wanted = new Map(instances.map((each) => [each, lookOf(each, IMAGE, scriptsOf(each))]));
  const { stdout } = await run('sh', ['-c', LOOK, 'sh', all, MARK]);
  const found = ['edited', 'gone', 'half-laid-out', 'never-written', 'no-script', 'no-settings'];
  assert.deepEqual(outdated(stdout, wanted).sort(), found);
  assert.doesNotMatch(stdout, /A=b|mine/);

  const { stdout: nothing } = await run('sh', ['-c', LOOK, 'sh', join(all, 'not-there'), MARK]);
  assert.deepEqual(outdated(nothing, new Map()), []);
});

test('scripts are of the newest generation, in the order of its replicas', () => {
  const manifest = manifestSchema.parse({ name: 'probe', version: '1.0.0', runtime: 'node', entry: 'main.js' });
  const replica = (instance: string, number: number, generation: number) => {
    const name = `${instance}_instance_${number}`;
    const { resources } = manifest;
    const spec = { id: name, name, instance, generation, image: IMAGE, manifest, env: {}, resources, hostPort: 20_000 };
    return { name, container: labelled(spec, { name: 'VM1', address: '10.0.0.1', cores: 2 }) };
  };
  const replicas = [replica('a', 10, 2), replica('b', 1, 1), replica('a', 1, 1), replica('a', 9, 2)];
  const named = [...newestOf(replicas)].map(([instance, its]) => [instance, its.map(({ name }) => name)]);
  assert.deepEqual(named, [
    ['a', ['a_instance_9', 'a_instance_10']],
    ['b', ['b_instance_1']],
  ]);
});
