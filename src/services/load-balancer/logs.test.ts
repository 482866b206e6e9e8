import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createVirtualClock } from '../../../test/support/virtual-clock.ts';
import type { LogLine } from '../../ports/container-runtime.ts';
import { followLogLines, lastLogLines, type Talker } from './logs.ts';

const CUT_OFF = new Error('VM2 cannot be reached');
const UNREAD = '(the log could not be read: VM2 cannot be reached)';

const talker = (id: string): Talker => ({ id, name: `app_${id}` });
const line = (id: string, second: number, text: string): LogLine => ({
  ts: new Date(Date.UTC(2025, 0, 1, 0, 0, second)).toISOString(),
  replica: `app_${id}`,
  stream: 'stdout',
  line: text,
});
async function* telling(...lines: LogLine[]): AsyncGenerator<LogLine> {
  yield* lines;
}
// biome-ignore lint/correctness/useYield: it fails before it has anything to tell
async function* failing(): AsyncGenerator<LogLine> {
  throw CUT_OFF;
}
async function* silent(): AsyncGenerator<LogLine> {
  await new Promise(() => undefined);
}
const told = (text: string): string => (JSON.parse(text) as LogLine).line;

async function all(lines: AsyncIterable<string>): Promise<string[]> {
  const texts: string[] = [];
  for await (const each of lines) texts.push(told(each));
  return texts;
}

test('the last lines are those of the replicas that can be read, and it is said which cannot', async () => {
  const clock = createVirtualClock();
  const open = (id: string): AsyncIterable<LogLine> =>
    id === 'b' ? failing() : telling(line(id, id === 'a' ? 2 : 1, `of ${id}`));
  const lines = await all(lastLogLines(['a', 'b', 'c'].map(talker), open, 10, clock));
  assert.deepEqual(lines, ['of c', 'of a', UNREAD]);
  await assert.rejects(all(lastLogLines([talker('b')], open, 10, clock)), CUT_OFF);
  assert.deepEqual(await all(lastLogLines([], open, 10, clock)), []);
});

test('a follower hears the others while one cannot be read, and that one once it can be', async () => {
  const clock = createVirtualClock();
  let reachable = false;
  const open = (id: string): AsyncIterable<LogLine> =>
    id === 'b' && !reachable ? failing() : telling(line(id, 1, `of ${id}`));
  let looks = 0;
  const list = async (): Promise<Talker[] | null> => {
    looks += 1;
    reachable = looks > 3;
    return looks > 4 ? null : ['a', 'b'].map(talker);
  };
  const following = all(followLogLines(list, open, clock, new AbortController().signal));
  for (let second = 0; second < 5; second += 1) await clock.advance(1000);
  const heard = await following;
  assert.deepEqual([heard.slice(0, 2).sort(), heard.slice(2)], [[UNREAD, 'of a'], ['of b']]);
});

test('a follower hears a replica that had not begun when it was first looked at, and nothing twice', async () => {
  const clock = createVirtualClock();
  let looks = 0;
  const list = async (): Promise<Talker[] | null> => {
    looks += 1;
    return looks > 6 ? null : [talker('a')];
  };
  const open = (): AsyncIterable<LogLine> => (looks < 3 ? telling() : telling(line('a', 1, 'begun')));
  const following = all(followLogLines(list, open, clock, new AbortController().signal));
  for (let second = 0; second < 7; second += 1) await clock.advance(1000);
  assert.deepEqual(await following, ['begun']);
});

test('a follower ends when the instance is gone, also when one of its replicas can never be read to its end', async () => {
  const clock = createVirtualClock();
  let gone = false;
  const list = async (): Promise<Talker[] | null> => (gone ? null : [talker('a')]);
  let ended = false;
  const following = all(followLogLines(list, silent, clock, new AbortController().signal)).finally(() => {
    ended = true;
  });
  await clock.advance(60_000);
  assert.equal(ended, false, 'a silent app is followed');
  gone = true;
  await clock.advance(10_000);
  assert.equal(ended, true);
  assert.deepEqual(await following, []);
});
