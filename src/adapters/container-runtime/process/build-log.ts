import { createWriteStream } from 'node:fs';
import { finished } from 'node:stream/promises';
import { type Line, LineSplitter } from '../lines.ts';

/** How many lines explain a failed build. */
const LAST_LINES = 20;

/** What a build says: to the callers that wait for it, to a file beside the image, and the end of it to an error. */
export function createBuildLog(path: string, tell: (line: string) => void) {
  const file = createWriteStream(path, { mode: 0o600 });
  // The log is worth less than the build.
  file.on('error', () => undefined);
  const splitters = { stdout: new LineSplitter(), stderr: new LineSplitter() };
  const last: string[] = [];

  const write = (line: Line | null): void => {
    if (!line) return;
    last.push(line.text);
    if (last.length > LAST_LINES) last.shift();
    file.write(`${line.text}\n`);
    tell(line.text);
  };

  return {
    output(stream: 'stdout' | 'stderr', chunk: Buffer): void {
      for (const line of splitters[stream].push(chunk, 0)) write(line);
    },
    lastLines(): string[] {
      return [...last];
    },
    async close(): Promise<void> {
      write(splitters.stdout.flush());
      write(splitters.stderr.flush());
      file.end();
      await finished(file).catch(() => undefined);
    },
  };
}
