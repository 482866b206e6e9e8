import type { Clock } from '../../ports/clock.ts';
import type { LogLine } from '../../ports/container-runtime.ts';

type Source = AsyncIterable<LogLine>;

const asText = (line: LogLine): string => `${JSON.stringify(line)}\n`;

/** The last `tail` lines of all the replicas together, in order of time. */
export async function* lastLogLines(sources: readonly Source[], tail: number): AsyncGenerator<string> {
  const lines: LogLine[] = [];
  for (const source of sources) for await (const line of source) lines.push(line);
  lines.sort((a, b) => (a.ts < b.ts ? -1 : a.ts > b.ts ? 1 : 0));
  for (const line of lines.slice(Math.max(0, lines.length - tail))) yield asText(line);
}

/** How often it is looked whether there are replicas that are not followed yet. */
const LOOK_EVERY_MS = 1000;

/**
 * Lines as they are seen, of the replicas there are and of those that are added meanwhile, until the signal aborts or
 * the instance is gone and its last lines are told.
 *
 * @param list ids of the replicas there are now; null when the instance is gone
 * @param open the lines of one of them, from now on
 */
export async function* followLogLines(
  list: () => Promise<string[] | null>,
  open: (id: string) => Source,
  clock: Clock,
  signal: AbortSignal,
): AsyncGenerator<string> {
  const followed = new Map<string, AsyncIterator<LogLine>>();
  const pending = new Map<string, Promise<{ id: string; result: IteratorResult<LogLine> }>>();

  function advance(id: string, iterator: AsyncIterator<LogLine>): void {
    pending.set(
      id,
      iterator.next().then((result) => ({ id, result })),
    );
  }

  let look: Promise<null> | null = Promise.resolve(null);
  try {
    while (!signal.aborted && (look || pending.size > 0)) {
      const next = await Promise.race([...(look ? [look] : []), ...pending.values()]);
      if (next === null) {
        const ids = await list();
        if (!ids) {
          look = null;
          continue;
        }
        for (const id of ids) {
          if (followed.has(id)) continue;
          const iterator = open(id)[Symbol.asyncIterator]();
          followed.set(id, iterator);
          advance(id, iterator);
        }
        look = clock.sleep(LOOK_EVERY_MS, signal).then(
          () => null,
          () => null,
        );
      } else if (next.result.done) {
        pending.delete(next.id);
      } else {
        const iterator = followed.get(next.id);
        if (iterator) advance(next.id, iterator);
        yield asText(next.result.value);
      }
    }
  } finally {
    for (const id of pending.keys()) void followed.get(id)?.return?.();
  }
}
