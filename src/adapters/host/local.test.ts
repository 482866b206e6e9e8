import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { expectContractToFail } from '../../../test/contracts/broken.ts';
import { hostContract } from '../../../test/contracts/host.contract.ts';
import { eventually } from '../../../test/support/eventually.ts';
import type { ReplicaSample } from '../../ports/host.ts';
import { readProcess } from './proc.ts';
import { cpuTicks, memory, type ReplicaUsage } from './shares.ts';
import { createLocalHarness } from './test-support.ts';

hostContract('The local host', { create: createLocalHarness });

const broken = (name: string): URL =>
  new URL(`../../../test/contracts/broken/host-${name}.fixture.ts`, import.meta.url);

test('the Host contract notices commands that go through a shell', () =>
  expectContractToFail(broken('shell'), ['hands arguments over as they are', 'says that a program is not there']));

test('the Host contract notices an abort that ends the program alone', () =>
  expectContractToFail(broken('abort-leaves-children'), ['ends a program and what it started when aborted']));

test('the Host contract notices files that are written in place', () =>
  expectContractToFail(broken('file-in-place'), ['puts a file in one step']));

test('an abort ends what left the session too', async () => {
  const { host, folder, cleanup } = await createLocalHarness();
  try {
    const abort = new AbortController();
    const work = host.run(['sh', '-c', `setsid sh -c 'echo $$ > ${folder}/pid; exec sleep 600' & wait`], {
      signal: abort.signal,
    });
    work.catch(() => undefined);
    const pid = await eventually(async () => Number((await readFile(`${folder}/pid`, 'utf8')).trim()) || null);
    abort.abort(new Error('enough'));
    await assert.rejects(work, /enough/);
    assert.equal(readProcess(pid), null);
  } finally {
    await cleanup();
  }
});

test('a command does not see the environment of the platform', async () => {
  const { host, cleanup } = await createLocalHarness();
  process.env.LOCAL_TEST_SECRET = 'hidden';
  try {
    const { stdout } = await host.run(['env'], { signal: new AbortController().signal });
    assert.doesNotMatch(stdout, /LOCAL_TEST_SECRET/);
    assert.match(stdout, /^PATH=/m);
  } finally {
    delete process.env.LOCAL_TEST_SECRET;
    await cleanup();
  }
});

test('a command that ends by a signal has the exit code that shells give it', async () => {
  const { host, cleanup } = await createLocalHarness();
  try {
    const { exitCode } = await host.run(['sh', '-c', 'kill -9 $$'], { signal: new AbortController().signal });
    assert.equal(exitCode, 137);
  } finally {
    await cleanup();
  }
});

test('a command that prints without end is ended', async () => {
  const { host, cleanup } = await createLocalHarness();
  try {
    await assert.rejects(
      host.run(['yes'], { signal: new AbortController().signal }),
      /printed more than 16 MiB on VM1/,
    );
  } finally {
    await cleanup();
  }
});

test('a file that cannot be put leaves nothing', async () => {
  const { host, folder, cleanup } = await createLocalHarness();
  try {
    const signal = new AbortController().signal;
    await host.putFile(`${folder}/taken/inside`, 'x', { signal });
    await assert.rejects(host.putFile(`${folder}/taken`, 'x', { signal }));
    const { stdout } = await host.run(['ls', '-A', folder], { signal });
    assert.equal(stdout, 'taken\n');
  } finally {
    await cleanup();
  }
});

test('replica samples are shares of their limits since the sample before', async () => {
  let seconds = 100;
  const usage = async (): Promise<ReplicaUsage[]> => {
    seconds += 1000;
    return [{ id: 'r1', cpuSeconds: seconds, memoryBytes: 128 * 1024 * 1024, cpus: 0.5, memoryMb: 256 }];
  };
  const { host, cleanup } = await createLocalHarness({ usage });
  try {
    const samples: ReplicaSample[] = [];
    const signal = new AbortController().signal;
    for await (const sample of host.probe({ everyMs: 20, signal })) {
      samples.push(...sample.replicas);
      if (samples.length === 2) break;
    }
    for (const sample of samples) {
      assert.partialDeepStrictEqual(sample, { id: 'r1', memoryPercent: 50, memoryBytes: 128 * 1024 * 1024 });
      assert.ok(sample.cpuPercent > 0 && Number.isFinite(sample.cpuPercent));
    }
  } finally {
    await cleanup();
  }
});

test('reads /proc as the kernel writes it', () => {
  assert.deepEqual(cpuTicks('cpu  100 5 50 800 20 3 2 20 7 1\ncpu0 1 2 3\n'), { busyTicks: 180, totalTicks: 1000 });
  assert.deepEqual(memory('MemTotal:       1024 kB\nMemFree:  1 kB\nMemAvailable:    256 kB\n'), {
    totalBytes: 1024 * 1024,
    availableBytes: 256 * 1024,
  });
});
