import { LineSplitter } from '../lines.ts';

/** How many lines explain a failed build. */
const LAST_LINES = 20;
/** What Docker puts around what came on stderr, and what programs colour. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: that is what is looked for
const COLOURS = /\u001b\[[0-9;]*[A-Za-z]/g;

/** Ids, which say nothing to anybody. */
const NOISE = /^( ---> (Running in )?[0-9a-f]{12,64}|Removing intermediate container [0-9a-f]+)$/;

export interface Progress {
  stream?: string | undefined;
  status?: string | undefined;
  id?: string | undefined;
  progressDetail?: Record<string, unknown> | null | undefined;
  error?: string | undefined;
}

/** Reads what a build says: its lines, and what it is at. */
export function createBuildOutput(tell: (line: string) => void) {
  const splitter = new LineSplitter();
  const last: string[] = [];
  /** The image of the step that a build is at, when that is a FROM. */
  let pulling: string | null = null;
  /** The container of the step that a build is at. */
  let container: string | null = null;
  const made = new Set<string>();
  let failure: string | null = null;

  function line(text: string): void {
    const plain = text.replace(COLOURS, '').trimEnd();
    const step = /^Step \d+\/\d+ : (?:FROM (?:--platform=\S+ )?(\S+))?/.exec(plain);
    if (step) pulling = step[1] ?? null;
    container = /^ ---> Running in ([0-9a-f]{12,64})$/.exec(plain)?.[1] ?? (step ? null : container);
    const image = / ---> ([0-9a-f]{12,64})$/.exec(plain)?.[1];
    if (image && pulling === null) made.add(image);
    if (plain === '' || NOISE.test(plain)) return;
    last.push(plain);
    if (last.length > LAST_LINES) last.shift();
    tell(plain);
  }

  return {
    take({ stream, status, id, progressDetail, error }: Progress): void {
      if (stream !== undefined) for (const { text } of splitter.push(Buffer.from(stream), 0)) line(text);
      // Bars that grow are of no use in a log.
      const grows = progressDetail && Object.keys(progressDetail).length > 0;
      if (status !== undefined && !grows) line(id === undefined ? status : `${id}: ${status}`);
      if (error !== undefined) {
        failure = error.replace(COLOURS, '').trim();
        const rest = splitter.flush();
        if (rest) line(rest.text);
        // That the program ended is said in the reason; what it printed last says why.
        if (!/ returned a non-zero code: \d+$/.test(failure)) line(failure);
      }
    },
    end(): void {
      const rest = splitter.flush();
      if (rest) line(rest.text);
    },
    lastLines: (): string[] => [...last],
    failure: (): string | null => failure,
    /** The image that a build which failed could not get; null when it failed at something else. */
    pulling: (): string | null => pulling,
    container: (): string | null => container,
    /** Images that it made on its way, or took from an earlier build. */
    made: (): ReadonlySet<string> => made,
  };
}

export type BuildOutput = ReturnType<typeof createBuildOutput>;
