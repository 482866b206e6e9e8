import type { LogLine } from '../../ports/container-runtime.ts';

/**
 * Lines of several replicas as one stream of JSON lines. What is there already comes in order of time and is cut to
 * `tail` lines; what is followed comes as it is seen.
 */
export async function* mergeLogs(
  sources: readonly AsyncIterable<LogLine>[],
  options: { tail: number; follow: boolean },
): AsyncGenerator<string> {
  if (!options.follow) {
    const lines: LogLine[] = [];
    for (const source of sources) for await (const line of source) lines.push(line);
    lines.sort((a, b) => (a.ts < b.ts ? -1 : a.ts > b.ts ? 1 : 0));
    for (const line of lines.slice(Math.max(0, lines.length - options.tail))) yield `${JSON.stringify(line)}\n`;
    return;
  }
  const iterators = sources.map((source) => source[Symbol.asyncIterator]());
  const pending = new Map(iterators.map((iterator) => [iterator, next(iterator)]));
  try {
    while (pending.size > 0) {
      const { iterator, result } = await Promise.race(pending.values());
      if (result.done) pending.delete(iterator);
      else {
        pending.set(iterator, next(iterator));
        yield `${JSON.stringify(result.value)}\n`;
      }
    }
  } finally {
    for (const iterator of pending.keys()) void iterator.return?.();
  }
}

async function next(
  iterator: AsyncIterator<LogLine>,
): Promise<{ iterator: AsyncIterator<LogLine>; result: IteratorResult<LogLine> }> {
  return { iterator, result: await iterator.next() };
}
