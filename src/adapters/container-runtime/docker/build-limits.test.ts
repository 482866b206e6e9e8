import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BUILD_MEMORY_MB, buildLimits, describeMemory, limitArguments } from './build-limits.ts';

const GIB = 1024 ** 3;

test('a build gets half of a small machine’s memory, and no more than is enough of a large one', () => {
  const memoryOf = (memoryBytes: number): string =>
    describeMemory(buildLimits({ cores: 2, memoryBytes }, BUILD_MEMORY_MB));
  assert.equal(memoryOf(GIB), '512 MiB');
  assert.equal(memoryOf(64 * GIB), '2048 MiB');
  assert.equal(memoryOf(0), '2048 MiB');
});

test('a build never has all cores, nor swap, and is told the same by hand', () => {
  for (const cores of [1, 2, 16]) {
    const { cpuquota, cpuperiod } = buildLimits({ cores, memoryBytes: GIB }, BUILD_MEMORY_MB);
    assert.ok(cpuquota < cores * cpuperiod && cpuquota >= 0.7 * cores * cpuperiod, `${cores} cores`);
  }
  const limits = buildLimits({ cores: 2, memoryBytes: GIB }, BUILD_MEMORY_MB);
  assert.equal(limits.memswap, limits.memory);
  const text = '--memory 512m --memory-swap 512m --cpu-period 100000 --cpu-quota 160000 --cpu-shares 256';
  assert.equal(limitArguments(limits).join(' '), text);
});
