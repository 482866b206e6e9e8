import assert from 'node:assert/strict';
import { appendFileSync, existsSync, statSync, truncateSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { systemClock } from '../../clock/system.ts';
import { LineSplitter } from '../lines.ts';
import { LogFile } from './log-file.ts';
import { readLogs } from './log-reader.ts';

async function logIn(t: TestContext, maxBytes = 1_000_000) {
  const folder = await mkdtemp(join(tmpdir(), 'avishkar-log-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const path = join(folder, 'stdout.log');
  let now = 1_000_000;
  const open = (): LogFile => new LogFile(path, maxBytes, () => now);
  return {
    path,
    open,
    write: (text: string | Buffer): void => appendFileSync(path, text),
    at: (ms: number): void => {
      now = ms;
    },
  };
}

async function tail(file: LogFile, count: number): Promise<{ line: string; ts: string }[]> {
  const found: { line: string; ts: string }[] = [];
  const empty = new LogFile(`${file.path}.none`, 1, () => 0);
  for await (const { line, ts } of readLogs({
    replica: 'r',
    files: { stdout: file, stderr: empty },
    tail: count,
    follow: false,
    signal: new AbortController().signal,
    clock: systemClock,
    running: () => false,
    over: () => false,
  })) {
    found.push({ line, ts });
  }
  return found;
}

const texts = async (file: LogFile, count: number): Promise<string[]> =>
  (await tail(file, count)).map(({ line }) => line);
const numbered = (from: number, to: number): string[] =>
  Array.from({ length: to - from + 1 }, (_, index) => `line ${from + index} ${'·'.repeat(20)}`);
const joined = (lines: string[]): string => lines.map((line) => `${line}\n`).join('');

test('a line has the time at which its first byte was seen, also after a restart', async (t) => {
  const { open, write, at } = await logIn(t);
  const file = open();
  write('one\ntwo\nthr');
  at(Date.parse('2026-01-01T00:00:01.000Z'));
  file.observe();
  write('ee\nfour\n');
  at(Date.parse('2026-01-01T00:00:02.000Z'));
  file.observe();
  const expected = [
    { line: 'one', ts: '2026-01-01T00:00:01.000Z' },
    { line: 'two', ts: '2026-01-01T00:00:01.000Z' },
    { line: 'three', ts: '2026-01-01T00:00:01.000Z' },
    { line: 'four', ts: '2026-01-01T00:00:02.000Z' },
  ];
  assert.deepEqual(await tail(file, 9), expected);
  await file.saved();
  at(Date.parse('2026-02-02T00:00:00.000Z'));
  assert.deepEqual(await tail(open(), 9), expected);
});

test('finds the last lines without reading all, whatever the size of blocks', async (t) => {
  const { open, write } = await logIn(t, 10_000_000);
  const all = numbered(1, 20_000);
  write(joined(all));
  const file = open();
  for (const count of [0, 1, 2, 999, 5_000, 19_999, 20_000, 30_000]) {
    assert.deepEqual(await texts(file, count), count === 0 ? [] : all.slice(-count));
  }
  write('not ended');
  assert.deepEqual(await texts(file, 2), [...all.slice(-1), 'not ended']);
});

test('stays small and keeps the last lines, also after a restart', async (t) => {
  const { open, write, path } = await logIn(t, 100_000);
  const file = open();
  const all = numbered(1, 30_000);
  for (let from = 0; from < all.length; from += 500) {
    write(joined(all.slice(from, from + 500)));
    file.observe();
    await file.rotateIfLarge();
    assert.ok(statSync(path).size <= 100_000);
    assert.ok(!existsSync(`${path}.1`) || statSync(`${path}.1`).size <= 50_000);
  }
  const kept = await texts(file, 1_000_000);
  assert.ok(kept.length > 500);
  assert.deepEqual(kept, all.slice(-kept.length));
  assert.deepEqual(await texts(file, 700), all.slice(-700));
  await file.saved();
  assert.deepEqual(await texts(open(), 1_000_000), kept);
});

test('keeps what is written while the file is made smaller, down to the last words', async (t) => {
  const { open, write } = await logIn(t, 100_000);
  const file = open();
  const all = numbered(1, 5000);
  write(joined(all));
  const rotating = file.rotateIfLarge();
  const late = numbered(5001, 8000);
  write(joined(late));
  await rotating;
  write('last words\n');
  const kept = await texts(file, 1_000_000);
  assert.deepEqual(kept, [...all, ...late, 'last words'].slice(-kept.length));
  assert.ok(kept.length > late.length);
  await file.saved();
  assert.deepEqual(await texts(open(), 1_000_000), kept);
});

test('goes on when the platform died right after emptying the file', async (t) => {
  const { open, write, path } = await logIn(t);
  const file = open();
  write(joined(numbered(1, 100)));
  file.observe();
  await file.saved();
  truncateSync(path, 0);
  write('after\n');
  const reopened = open();
  assert.deepEqual(await texts(reopened, 9), ['after']);
  write('and on\n');
  assert.deepEqual(await texts(reopened, 9), ['after', 'and on']);
});

test('thins old times and keeps their order', async (t) => {
  const { open, write, at } = await logIn(t);
  const file = open();
  for (let number = 1; number <= 10_000; number += 1) {
    write(`${number}\n`);
    at(number * 1000);
    file.observe();
  }
  const times = (await tail(file, 10_000)).map(({ ts }) => Date.parse(ts));
  assert.deepEqual(
    times,
    times.toSorted((a, b) => a - b),
  );
  assert.equal(times.at(-1), 10_000_000);
  await file.saved();
  assert.ok(statSync(`${file.path}.idx`).size < 200_000);
});

test('cuts lines wherever pieces end', () => {
  const bytes = Buffer.from('ä\r\n\nbb\nlast');
  for (let size = 1; size <= bytes.length; size += 1) {
    const splitter = new LineSplitter();
    const lines: string[] = [];
    for (let at = 0; at < bytes.length; at += size) {
      lines.push(...splitter.push(bytes.subarray(at, at + size), at).map(({ text }) => text));
    }
    assert.deepEqual([...lines, splitter.flush()?.text], ['ä', '', 'bb', 'last']);
    assert.equal(splitter.flush(), null);
  }
});

test('cuts a long line between characters', () => {
  const splitter = new LineSplitter();
  const [line, next] = splitter.push(Buffer.from(`x${'€'.repeat(10_000)}\nnext\n`), 0);
  assert.equal(line?.text, `x${'€'.repeat(5461)}…`);
  assert.deepEqual(next, { text: 'next', offset: 30_002 });
});
