import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createBuildOutput } from './build-output.ts';
import { progressSchema } from './docker-answers.ts';
import { jsonLines } from './json-lines.ts';
import { demultiplexed } from './logs.ts';

function frame(type: number, text: string): Buffer {
  const head = Buffer.alloc(8);
  head[0] = type;
  head.writeUInt32BE(Buffer.byteLength(text), 4);
  return Buffer.concat([head, Buffer.from(text)]);
}

async function* inPieces(bytes: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function collect<T>(from: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const each of from) all.push(each);
  return all;
}

test('log frames become lines, however they are cut', async () => {
  const [t1, t2, t3] = [1, 2, 3].map((n) => `2026-11-22T14:00:00.00000000${n}Z`);
  const bytes = Buffer.concat([
    frame(1, `${t1} one\n`),
    frame(1, `${t2} a long lin`),
    frame(2, `${t2} oops – é\n`),
    frame(1, `${t3} e\n`),
    frame(1, `${t3} without an end`),
  ]);
  for (const size of [1, 7, 8, 9, 1000]) {
    assert.deepEqual(await collect(demultiplexed(inPieces(bytes, size), 'probe-1_instance_1')), [
      { ts: t1, replica: 'probe-1_instance_1', stream: 'stdout', line: 'one' },
      { ts: t2, replica: 'probe-1_instance_1', stream: 'stderr', line: 'oops – é' },
      { ts: t2, replica: 'probe-1_instance_1', stream: 'stdout', line: 'a long line' },
      { ts: t3, replica: 'probe-1_instance_1', stream: 'stdout', line: 'without an end' },
    ]);
  }
});

test('a log that is none is refused instead of held in memory', async () => {
  await assert.rejects(collect(demultiplexed(inPieces(Buffer.alloc(100, 0xff), 100), 'x')), /cannot be read/);
});

test('progress is read line by line, however it is cut', async () => {
  const bytes = Buffer.from('{"stream":"Schritt ü\\n"}\r\n{"status":"Pulling","id":"abc"}\nnot JSON\n{"error":"no"}');
  for (const size of [1, 5, 1000]) {
    assert.deepEqual(await collect(jsonLines(inPieces(bytes, size), progressSchema)), [
      { stream: 'Schritt ü\n' },
      { status: 'Pulling', id: 'abc' },
      { error: 'no' },
    ]);
  }
});

test('a build tells its lines without colours and ids, and what it is at', () => {
  const told: string[] = [];
  const output = createBuildOutput((line) => told.push(line));
  output.take({ stream: 'Step 1/3 : FROM node:24-slim AS build\n' });
  assert.equal(output.pulling(), 'node:24-slim');
  output.take({ status: 'Downloading', id: 'abc', progressDetail: { current: 1 } });
  output.take({ status: 'Pull complete', id: 'abc', progressDetail: {} });
  output.take({ stream: ' ---> 179b6a4def65\n' });
  output.take({ stream: 'Step 2/3 : RUN npm ci' });
  output.take({ stream: '\n ---> Running in e5d3e7ef9f9d\n' });
  assert.equal(output.pulling(), null);
  assert.equal(output.container(), 'e5d3e7ef9f9d');
  output.take({ stream: '\u001b[91mnpm error\n\u001b[0m' });
  output.take({ stream: 'Removing intermediate container e5d3e7ef9f9d\n ---> 76eacbdd6870\n' });
  output.take({ stream: 'Step 3/3 : CMD ["node"]\n' });
  assert.equal(output.container(), null);
  output.take({ error: 'The command returned a non-zero code: 1' });
  assert.deepEqual(told, [
    'Step 1/3 : FROM node:24-slim AS build',
    'abc: Pull complete',
    'Step 2/3 : RUN npm ci',
    'npm error',
    'Step 3/3 : CMD ["node"]',
  ]);
  assert.equal(output.failure(), 'The command returned a non-zero code: 1');
  // The base is not what the build made.
  assert.deepEqual([...output.made()], ['76eacbdd6870']);
});
