import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseReading, type Reading, sampleOf } from './probe-reading.ts';

const A = 'a'.repeat(64);
const B = 'b'.repeat(64);
const reading = (line: string): Reading => {
  const parsed = parseReading(line);
  assert.ok(parsed, line);
  return parsed;
};

const BEFORE = `100.00|cpu  100 0 50 800 50 0 0 0 0 0|2|1000000 400000|700 300 20 80|${A} 4000000000 268435456 134217728;`;
const LATER = `102.00|cpu  150 0 60 930 60 0 0 0 9 0|2|1000000 250000|900 100 20 80 |${A} 5000000000 300000000 31564544;${B} 500000000 1000 5000;`;

test('two readings of a machine are a sample of shares', () => {
  const replicas = new Map([
    [A, { id: 'r1', cpus: 0.5, memoryMb: 512 }],
    [B, { id: 'r2', cpus: 1, memoryMb: 1 }],
  ]);
  assert.deepEqual(sampleOf(reading(BEFORE), reading(LATER), replicas, 7), {
    at: 7,
    // 60 of 200 ticks were busy.
    cpuPercent: 30,
    memoryPercent: 75,
    // Of the fuller disk.
    diskPercent: 90,
    cores: 2,
    memoryBytes: 1_024_000_000,
    replicas: [
      // One second of a core in two, of half a core allowed; page cache that nobody wants is not counted.
      { id: 'r1', cpuPercent: 100, memoryPercent: 50, memoryBytes: 268_435_456 },
      // It was not there before.
      { id: 'r2', cpuPercent: 25, memoryPercent: (1000 / 1048576) * 100, memoryBytes: 1000 },
    ],
  });
});

test('containers that are not ours are not in a sample', () => {
  assert.deepEqual(sampleOf(reading(BEFORE), reading(LATER), new Map(), 7).replicas, []);
});

test('what is no reading is not taken for one', () => {
  for (const line of [
    '',
    'sh: awk: not found',
    'a|b|c',
    BEFORE.replace('cpu ', 'x '),
    BEFORE.replace('|2|', '|two|'),
  ]) {
    assert.equal(parseReading(line), null, line);
  }
});
