import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { eventually } from '../../../../test/support/eventually.ts';
import { parseReading, type Reading } from './probe-reading.ts';
import { PROBE_PROGRAM, PROBE_SCRIPT } from './probe-script.ts';

const A = 'a'.repeat(64);
const B = '0123456789abcdef'.repeat(4);
const C = 'c0ffee00'.repeat(8);

/** As the kernel writes them; what is not looked at is left out. */
const V1_MEMORY = `cache 4096
inactive_file 1
hierarchical_memory_limit 268435456
total_cache 8192
total_inactive_file 1000000
total_active_file 4096
`;
const V2_MEMORY = `anon 53248
file 2000000
inactive_anon 49152
inactive_file 500000
active_file 4096
`;
const V2_CPU = `usage_usec 22904221
user_usec 20000000
system_usec 2904221
nr_periods 0
`;

const PROGRAMS = ['awk', 'sh', 'find', 'df'];
const onPath = (program: string): string | undefined =>
  ['/usr/bin', '/bin'].map((folder) => join(folder, program)).find(existsSync);

interface Kit {
  name: string;
  /** Folder of the programs. */
  path: string;
}

describe('the probe', { skip: process.platform === 'linux' ? false : 'it reads Linux’s /proc' }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'avishkar-probe-'));
  const kits: Kit[] = [];

  before(() => {
    const add = (name: string, program: (each: string) => string | undefined): void => {
      const path = join(folder, `kit-${name}`);
      mkdirSync(path);
      for (const each of PROGRAMS) symlinkSync(program(each) ?? '/nowhere', join(path, each));
      kits.push({ name, path });
    };
    for (const awk of ['mawk', 'gawk', 'original-awk']) {
      if (onPath(awk)) add(awk, (each) => onPath(each === 'awk' ? awk : each));
    }
    if (onPath('busybox')) add('busybox', () => onPath('busybox'));
    if (kits.length === 0) kits.push({ name: 'default', path: '/usr/bin:/bin' });
  });
  after(() => rmSync(folder, { recursive: true }));

  const write = (root: string, files: Record<string, string>): string => {
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(join(folder, root, path, '..'), { recursive: true });
      writeFileSync(join(folder, root, path), text);
    }
    return join(folder, root);
  };
  /** One answer of the probe on a tree of cgroups, per kit of programs. */
  const ask = (cgroup: string, disks: [string, string] = [folder, folder]): Reading[] =>
    kits.map(({ name, path }) => {
      const line = execFileSync(
        join(path.split(':')[0] ?? '', 'sh'),
        ['-c', PROBE_SCRIPT, PROBE_PROGRAM, ...disks, cgroup],
        {
          input: '\n',
          encoding: 'utf8',
          env: { PATH: path },
        },
      );
      const reading = parseReading(line.trimEnd());
      assert.ok(reading, `${name} said ${line}`);
      return reading;
    });

  test('finds containers of the first version of cgroups, wherever Docker puts them', () => {
    const container = (path: string, used: string): Record<string, string> => ({
      [`cpuacct/${path}/cpuacct.usage`]: '7205759403792793\n',
      [`memory/${path}/memory.usage_in_bytes`]: `${used}\n`,
      [`memory/${path}/memory.stat`]: V1_MEMORY,
    });
    const root = write('v1', {
      ...container(`docker/${A}`, '3000000'),
      ...container(`x/y/${B}`, '3000000000'),
      ...container(`system.slice/docker-${C}.scope`, '900000'),
      ...container(`docker/${A}/inner/${'d'.repeat(64)}`, '1'),
      ...container('docker/short', '1'),
      ...container(`docker/${'g'.repeat(64)}`, '1'),
    });
    for (const { containers } of ask(root)) {
      assert.deepEqual(
        containers,
        new Map([
          [A, { cpuSeconds: 7205759403792793 / 1e9, memoryBytes: 2_000_000 }],
          [B, { cpuSeconds: 7205759403792793 / 1e9, memoryBytes: 2_999_000_000 }],
          [C, { cpuSeconds: 7205759403792793 / 1e9, memoryBytes: 900_000 }],
        ]),
      );
    }
  });

  test('finds containers of the second version of cgroups', () => {
    const container = (path: string): Record<string, string> => ({
      [`${path}/cpu.stat`]: V2_CPU,
      [`${path}/memory.current`]: '3000000\n',
      [`${path}/memory.stat`]: V2_MEMORY,
    });
    const root = write('v2', {
      'cgroup.controllers': 'cpu memory\n',
      ...container(`system.slice/docker-${A}.scope`),
      ...container(`docker/${B}`),
      // One that is going away while it is looked at.
      [`docker/${C}/cpu.stat`]: V2_CPU,
    });
    const used = { cpuSeconds: 22.904221, memoryBytes: 2_500_000 };
    for (const { containers } of ask(root)) {
      assert.deepEqual(
        containers,
        new Map([
          [B, used],
          [A, used],
        ]),
      );
    }
  });

  test('reads the machine, and the disk of the nearest folder that is there', () => {
    const root = write('none', { 'memory/x': '', 'cpuacct/x': '' });
    for (const reading of ask(root, [join(folder, 'not', 'yet'), '/nowhere'])) {
      assert.equal(reading.containers.size, 0);
      assert.ok(reading.uptime > 0 && reading.cores >= 1 && reading.totalTicks > reading.busyTicks);
      assert.ok(reading.memoryBytes > reading.availableBytes && reading.availableBytes > 0);
      assert.ok(reading.diskPercent >= 0 && reading.diskPercent <= 100);
    }
  });

  test('sees containers come and go, and ends when its input does', async () => {
    const files = {
      [`cpuacct/docker/${A}/cpuacct.usage`]: '1\n',
      [`memory/docker/${A}/memory.usage_in_bytes`]: '1\n',
      [`memory/docker/${A}/memory.stat`]: V1_MEMORY,
    };
    for (const { path } of kits) {
      const root = write('moving', files);
      const child = spawn(
        join(path.split(':')[0] ?? '', 'sh'),
        ['-c', PROBE_SCRIPT, PROBE_PROGRAM, folder, folder, root],
        {
          env: { PATH: path },
        },
      );
      const exited = new Promise((resolve) => child.once('exit', resolve));
      let text = '';
      child.stdout.setEncoding('utf8').on('data', (chunk) => {
        text += chunk;
      });
      const next = async (): Promise<string[]> => {
        text = '';
        child.stdin.write('\n');
        await eventually(() => text.endsWith('\n'));
        return [...(parseReading(text.trim())?.containers.keys() ?? [])];
      };
      assert.deepEqual(await next(), [A]);
      write('moving', {
        [`cpuacct/docker/${B}/cpuacct.usage`]: '1\n',
        [`memory/docker/${B}/memory.usage_in_bytes`]: '1\n',
        [`memory/docker/${B}/memory.stat`]: V1_MEMORY,
      });
      await eventually(async () => (await next()).length === 2);
      rmSync(join(root, 'cpuacct', 'docker', A), { recursive: true });
      assert.deepEqual(await next(), [B]);
      write('moving', {
        [`cpuacct/system.slice/docker-${C}.scope/cpuacct.usage`]: '1\n',
        [`memory/system.slice/docker-${C}.scope/memory.usage_in_bytes`]: '1\n',
        [`memory/system.slice/docker-${C}.scope/memory.stat`]: V1_MEMORY,
      });
      await eventually(async () => (await next()).includes(C), { deadlineMs: 5_000 });
      child.stdin.end();
      assert.equal(await exited, 0);
      rmSync(root, { recursive: true });
    }
  });
});
