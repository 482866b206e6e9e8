import { messageOf } from '../../domain/errors.ts';
import type { Clock } from '../../ports/clock.ts';
import type { LogLine } from '../../ports/container-runtime.ts';

/** A replica whose lines are wanted; `name` is what its lines say they are of. */
export interface Talker {
  id: string;
  name: string;
}

type Open = (id: string) => AsyncIterable<LogLine>;

const asText = (line: LogLine): string => `${JSON.stringify(line)}\n`;

/** Stands for the lines of a replica whose machine does not answer: the others' are worth reading all the same. */
function unread({ name }: Talker, error: unknown, clock: Clock): LogLine {
  const line = `(the log could not be read: ${messageOf(error)})`;
  return { ts: new Date(clock.now()).toISOString(), replica: name, stream: 'stderr', line };
}

/** The last `tail` lines of all the replicas together, in order of time. Fails when none of them can be read. */
export async function* lastLogLines(
  talkers: readonly Talker[],
  open: Open,
  tail: number,
  clock: Clock,
): AsyncGenerator<string> {
  const lines: LogLine[] = [];
  const failures: unknown[] = [];
  for (const talker of talkers) {
    try {
      for await (const line of open(talker.id)) lines.push(line);
    } catch (error) {
      failures.push(error);
      lines.push(unread(talker, error, clock));
    }
  }
  if (failures.length > 0 && failures.length === talkers.length) throw failures[0];
  lines.sort((a, b) => (a.ts < b.ts ? -1 : a.ts > b.ts ? 1 : 0));
  for (const line of lines.slice(Math.max(0, lines.length - tail))) yield asText(line);
}

/** How often it is looked whether there are replicas that are not followed yet. */
const LOOK_EVERY_MS = 1000;
/** How long the last lines of an instance that is gone are waited for. */
const LAST_LINES_MS = 5000;

type News =
  | { is: 'time to look' }
  | { is: 'over' }
  | { is: 'line'; talker: Talker; line: LogLine }
  | { is: 'end'; talker: Talker }
  | { is: 'failure'; talker: Talker; error: unknown };

/**
 * Lines as they are seen, of the replicas there are and of those that are added meanwhile, until the signal aborts or
 * the instance is gone and its last lines are told. A replica that cannot be read, or has not said a word as it has not
 * begun yet, is tried again as long as it is there.
 *
 * @param list the replicas there are now; null when the instance is gone
 * @param open the lines of one of them, from now on
 */
export async function* followLogLines(
  list: () => Promise<Talker[] | null>,
  open: Open,
  clock: Clock,
  signal: AbortSignal,
): AsyncGenerator<string> {
  const followed = new Map<string, AsyncIterator<LogLine>>();
  const pending = new Map<string, Promise<News>>();
  /** Those of which it was said that they cannot be read. */
  const unreadable = new Set<string>();
  /** Those of which a line was told. */
  const heard = new Set<string>();

  async function next(talker: Talker, iterator: AsyncIterator<LogLine>): Promise<News> {
    try {
      const { done, value } = await iterator.next();
      return done ? { is: 'end', talker } : { is: 'line', talker, line: value };
    } catch (error) {
      return { is: 'failure', talker, error };
    }
  }
  const after = (ms: number, news: News): Promise<News> =>
    clock.sleep(ms, signal).then(
      () => news,
      () => news,
    );

  let gone = false;
  let timer = Promise.resolve<News>({ is: 'time to look' });
  try {
    while (!signal.aborted && !(gone && pending.size === 0)) {
      const news = await Promise.race([timer, ...pending.values()]);
      if (news.is === 'over') return;
      if (news.is === 'time to look') {
        const talkers = await list();
        gone = talkers === null;
        for (const talker of talkers ?? []) {
          if (followed.has(talker.id)) continue;
          const iterator = open(talker.id)[Symbol.asyncIterator]();
          followed.set(talker.id, iterator);
          pending.set(talker.id, next(talker, iterator));
        }
        // One whose machine does not answer would be waited for as long as that.
        timer = gone ? after(LAST_LINES_MS, { is: 'over' }) : after(LOOK_EVERY_MS, { is: 'time to look' });
        continue;
      }
      const { talker } = news;
      pending.delete(talker.id);
      if (news.is === 'line') {
        const iterator = followed.get(talker.id);
        if (iterator) pending.set(talker.id, next(talker, iterator));
        unreadable.delete(talker.id);
        heard.add(talker.id);
        yield asText(news.line);
      } else if (news.is === 'failure') {
        // The next look opens it again.
        followed.delete(talker.id);
        if (!unreadable.has(talker.id)) yield asText(unread(talker, news.error, clock));
        unreadable.add(talker.id);
      } else if (!heard.has(talker.id)) {
        followed.delete(talker.id);
      }
    }
  } finally {
    for (const id of pending.keys()) void followed.get(id)?.return?.();
  }
}
